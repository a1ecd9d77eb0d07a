import { failure, success, type Result } from '../lib/result';
import { client, withQuery } from './client';
import type { Page } from './types';

export interface Recording {
  id: string;
  lesson_id: string;
  state: 'running' | 'paused' | 'ending' | 'ended';
  started_at: string;
  ended_at?: string;
  end_cause?: 'stopped' | 'session_over';
  pauses: { from: string; to?: string; reason: string }[];
  incidents: { incident: Incident; from: string; to?: string }[];
}

export type Incident =
  'storage_full' | 'storage_failed' | 'overload' | 'too_many_tracks' | 'recorder_restarted';

export type RecordedSource = 'camera' | 'microphone' | 'screen_share' | 'screen_share_audio';

export interface RecordedTrack {
  id: string;
  identity: string;
  name?: string;
  source: RecordedSource;
  opened_at: string;
  covered_to: string;
  entries: number;
  uncovered_ms: number;
  recorded_ms: number;
  off_ms: number;
  lost_ms: number;
}

export interface ListedRecording extends Recording {
  title: string;
}

export interface RecordingDetail extends ListedRecording {
  tracks: RecordedTrack[];
}

export type GapCause =
  | 'off'
  | 'paused'
  | 'unseen'
  | 'transport'
  | 'tap_lost'
  | 'recorder_restarted'
  | 'storage_full'
  | 'storage_failed'
  | 'overload'
  | 'unrecordable';

/** A stretch of a track: a segment, or a gap with its cause. Together they leave no time out. */
export interface RecordedEntry {
  sequence: number;
  from: string;
  to: string;
  segment?: { media_type: string; independent: boolean; bytes: number; sha256: string };
  gap?: GapCause;
}

export type RecordingAction = 'start' | 'stop';

export const orderRecording = (
  lessonId: string,
  action: RecordingAction,
): Promise<Result<Recording>> =>
  client.send('POST', `/api/lessons/${lessonId}/recording`, { action });

export const listRecordings = (
  page: number,
  pageSize: number,
): Promise<Result<Page<ListedRecording>>> =>
  client.get(withQuery('/api/recordings', { page, page_size: pageSize }));

export const getRecording = (id: string): Promise<Result<RecordingDetail>> =>
  client.get(`/api/recordings/${id}`);

/** All entries of a track. */
export async function trackEntries(id: string, track: string): Promise<Result<RecordedEntry[]>> {
  const all: RecordedEntry[] = [];
  let from: number | undefined = 0;
  while (from !== undefined) {
    const path: string = withQuery(`/api/recordings/${id}/tracks/${track}/entries`, { from });
    const page: Result<{ items: RecordedEntry[]; next?: number | null }> = await client.get(path);
    if (!page.ok) return page;
    all.push(...page.value.items);
    from = page.value.next ?? undefined;
  }
  return success(all);
}

/** The file of a segment. */
export async function segmentBytes(
  id: string,
  track: string,
  sequence: number,
): Promise<Result<ArrayBuffer>> {
  const path = `/api/recordings/${id}/tracks/${track}/segments/${String(sequence)}`;
  const problem = (status: number) => failure({ status, code: 'app.network', zh: '', en: '' });
  const ask = () =>
    fetch(path, { headers: { authorization: `Bearer ${client.accessToken() ?? ''}` } });
  try {
    let answer = await ask();
    if (answer.status === 401 && (await client.refresh()).ok) answer = await ask();
    return answer.ok ? success(await answer.arrayBuffer()) : problem(answer.status);
  } catch {
    return problem(0);
  }
}

/** Where the recording is one file; a download is a plain link, so the token stands in it. */
export function exportAddress(id: string): string {
  return withQuery(`/api/recordings/${id}/export`, { access_token: client.accessToken() ?? '' });
}
