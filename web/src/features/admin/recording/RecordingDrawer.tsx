import { useQuery } from '@tanstack/react-query';
import { Drawer, Skeleton } from 'antd';
import { keys } from '../../../api/live';
import {
  getRecording,
  trackEntries,
  type RecordedSource,
  type RecordedTrack,
  type RecordingDetail,
} from '../../../api/recordings';
import { useProblemText, useTranslation } from '../../../i18n/useText';
import { problemOf, success, unwrap, type Result } from '../../../lib/result';
import { Empty, Notice } from '../../../ui/State';
import { RecordingPlayer } from './RecordingPlayer';
import { tapeOf, type TapeEntry } from './tape';
import './recording.css';

/** A track with what is there of it. */
export interface TapedTrack {
  track: RecordedTrack;
  tape: TapeEntry[];
}

/** What is looked at first, then by person. */
const ORDER: RecordedSource[] = ['screen_share', 'camera', 'microphone', 'screen_share_audio'];

function inOrder(tracks: RecordedTrack[]): RecordedTrack[] {
  const place = ({ source }: RecordedTrack) => ORDER.indexOf(source);
  return [...tracks].sort(
    (one, other) => place(one) - place(other) || one.identity.localeCompare(other.identity),
  );
}

interface Opened {
  recording: RecordingDetail;
  tracks: TapedTrack[];
}

async function openRecording(id: string): Promise<Result<Opened>> {
  const detail = await getRecording(id);
  if (!detail.ok) return detail;
  const recording = detail.value;
  const tracks: TapedTrack[] = [];
  for (const track of inOrder(recording.tracks)) {
    const entries = await trackEntries(id, track.id);
    if (!entries.ok) return entries;
    tracks.push({ track, tape: tapeOf(entries.value, recording.started_at) });
  }
  return success({ recording, tracks });
}

/** A recording is looked at and heard. */
export default function RecordingDrawer({ id, onClose }: { id: string; onClose: () => void }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const opened = useQuery({
    queryKey: keys.recording(id),
    queryFn: async () => unwrap(await openRecording(id)),
    // What plays must not change under the player.
    staleTime: Infinity,
    gcTime: 0,
    refetchOnWindowFocus: false,
  });
  const isEmpty = opened.data?.tracks.length === 0;
  return (
    <Drawer
      open
      size={1120}
      rootClassName="recording-drawer"
      title={opened.data?.recording.title ?? t('desk.recordings')}
      onClose={onClose}
    >
      {opened.isPending && <Skeleton active />}
      {opened.isError && (
        <Notice tone="refused" role="alert">
          {problemText(problemOf(opened.error))}
        </Notice>
      )}
      {isEmpty && (
        <Empty icon="camera" title={t('recordings.nothing')} hint={t('recordings.nothingHint')} />
      )}
      {opened.data && !isEmpty && (
        <RecordingPlayer key={id} recording={opened.data.recording} tracks={opened.data.tracks} />
      )}
    </Drawer>
  );
}
