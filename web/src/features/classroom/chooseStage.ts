import type { TrackReferenceOrPlaceholder } from '@livekit/components-react';
import { Track } from 'livekit-client';
import { hasFloor, isRaised, isTeacher } from './attributes';

export interface Arrangement<T> {
  stage: T | undefined;
  strip: T[];
}

type Placed = Pick<TrackReferenceOrPlaceholder, 'source'> & {
  participant: { identity: string; attributes: Readonly<Record<string, string>> };
};

/** The teacher's screen goes before the teacher's camera; everything else is in the strip. */
export function chooseStage<T extends Placed>(tracks: T[]): Arrangement<T> {
  const teaches = (track: T) => isTeacher(track.participant);
  const stage =
    tracks.find((track) => teaches(track) && track.source === Track.Source.ScreenShare) ??
    tracks.find((track) => teaches(track) && track.source === Track.Source.Camera);
  const others = tracks.filter((track) => track !== stage && track.source === Track.Source.Camera);
  const strip = others
    .map((track, index) => ({ track, index }))
    .sort((a, b) => stripOrder(a.track) - stripOrder(b.track) || a.index - b.index)
    .map(({ track }) => track);
  return { stage, strip };
}

/** Smaller comes first: who was called on, the teacher, who wants to speak, the others. */
function stripOrder({ participant }: Placed): number {
  if (hasFloor(participant)) return 0;
  if (isTeacher(participant)) return 1;
  return isRaised(participant) ? 2 : 3;
}
