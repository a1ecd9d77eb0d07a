import { failure, success, type Result } from '../lib/result';
import type { Stretch } from '../lib/timeline';
import { client, NETWORK_PROBLEM, parseProblem, withQuery } from './client';
import type { Page } from './types';

type Answer<T> = Promise<Result<T>>;

const { get, send } = client;

/** A learner's word against withheld time. */
export interface Appeal {
  id: string;
  stretch: Stretch;
  text: string;
  filed_at: string;
  due_at: string;
  overdue: boolean;
  state: 'open' | 'withdrawn' | 'upheld' | 'dismissed';
  reason?: string | null;
  ended_at?: string | null;
}

/** Seconds that two people add to credit, or take from it. */
export interface Adjustment {
  id: string;
  appeal_id?: string | null;
  seconds: number;
  reason: string;
  proposed_by: string;
  proposed_at: string;
  state: 'waiting' | 'approved' | 'refused';
}

/** What waits for a decision about one attendance. */
export interface Redress {
  attendance_id: string;
  name: string;
  unit_name: string;
  lesson: { id: string; title: string; starts_at: string };
  /** Somebody else must decide. */
  not_yours: boolean;
  appeals: Appeal[];
  adjustments: Adjustment[];
}

export interface Waiting extends Page<Redress> {
  /** Appeals decided, and those of them that found the learner right. */
  decided: number;
  upheld: number;
}

/** A pack that this server handed out. */
export interface Issued {
  issued_at: string;
  manifest_sha256: string;
}

export const fileAppeal = (id: string, stretch: Stretch, text: string): Answer<undefined> =>
  send('POST', `/api/attendances/${id}/appeals`, { from: stretch.from, to: stretch.to, text });

export const withdrawAppeal = (id: string, appealId: string): Answer<undefined> =>
  send('POST', `/api/attendances/${id}/appeals/withdraw`, { appeal_id: appealId });

export const listAppeals = (page?: number, pageSize?: number): Answer<Waiting> =>
  get(withQuery('/api/appeals', { page, page_size: pageSize }));

export const decideAppeal = (
  id: string,
  appealId: string,
  upheld: boolean,
  reason: string,
): Answer<undefined> =>
  send('POST', `/api/attendances/${id}/appeals/decide`, { appeal_id: appealId, upheld, reason });

export const proposeAdjustment = (id: string, seconds: number, reason: string): Answer<undefined> =>
  send('POST', `/api/attendances/${id}/adjustments`, { seconds, reason });

export const decideAdjustment = (
  id: string,
  adjustmentId: string,
  approved: boolean,
): Answer<undefined> =>
  send('POST', `/api/attendances/${id}/adjustments/decide`, {
    adjustment_id: adjustmentId,
    approved,
  });

export const issuedPack = (id: string): Answer<Issued> => get(`/api/evidence/${id}`);

/** A pack takes some seconds to draw. */
const PACK_TIMEOUT_MS = 60_000;

/** The evidence of one attendance, as a ZIP. */
export async function fetchEvidence(id: string): Answer<Blob> {
  const first = await evidence(id);
  if (first.ok || first.error.status !== 401) return first;
  const renewed = await client.refresh();
  return renewed.ok ? evidence(id) : renewed;
}

async function evidence(id: string): Answer<Blob> {
  try {
    const response = await fetch(`/api/attendances/${id}/evidence`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${client.accessToken() ?? ''}` },
      credentials: 'same-origin',
      signal: AbortSignal.timeout(PACK_TIMEOUT_MS),
    });
    if (!response.ok) return failure(parseProblem(response.status, await response.text()));
    return success(await response.blob());
  } catch {
    return failure(NETWORK_PROBLEM);
  }
}
