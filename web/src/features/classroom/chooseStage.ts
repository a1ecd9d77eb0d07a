import type { TrackReferenceOrPlaceholder } from '@livekit/components-react';
import { Track } from 'livekit-client';

export interface Arrangement<T> {
  stage: T | undefined;
  strip: T[];
}

type Placed = Pick<TrackReferenceOrPlaceholder, 'source'> & {
  participant: { identity: string; attributes: Readonly<Record<string, string>> };
};

/** The teacher's screen goes before the teacher's camera; everything else is in the strip. */
export function chooseStage<T extends Placed>(tracks: T[]): Arrangement<T> {
  const teaches = (track: T) => track.participant.attributes['role'] === 'teacher';
  const stage =
    tracks.find((track) => teaches(track) && track.source === Track.Source.ScreenShare) ??
    tracks.find((track) => teaches(track) && track.source === Track.Source.Camera);
  const others = tracks.filter((track) => track !== stage && track.source === Track.Source.Camera);
  const order = (track: T) => (teaches(track) ? 0 : track.participant.attributes['hand'] ? 1 : 2);
  const strip = others
    .map((track, index) => ({ track, index }))
    .sort((a, b) => order(a.track) - order(b.track) || a.index - b.index)
    .map(({ track }) => track);
  return { stage, strip };
}
