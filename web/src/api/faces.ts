import { failure, success, type Result } from '../lib/result';
import { client, NETWORK_PROBLEM, parseProblem, withQuery } from './client';
import type { AttendanceCheck, Page, UnitRef } from './types';

type Answer<T> = Promise<Result<T>>;

const { get, send } = client;

/** What a server can do with faces. */
export type FaceMode = 'evidence_only' | 'faces' | 'faces_and_actions';

/** One's own enrolment. */
export interface OwnFace {
  mode: FaceMode;
  consent_version: number;
  consented_at?: string | null;
  stage: 'empty' | 'proposed' | 'approved';
  since?: string | null;
  /** Why the last pictures were refused. */
  refused?: string | null;
  /** The networks changed since: new pictures are needed. */
  outdated: boolean;
}

/** A sentence for a person, written by the server in both languages. */
export interface Said {
  code: string;
  zh: string;
  en: string;
}

/** What is to be told during a look; without a message the last one goes. */
export interface LookMessage {
  check_id: string;
  message?: Said | null;
}

export type CaptureProgress =
  'looking' | 'taken' | 'too_few' | 'not_one_person' | 'no_camera' | 'failed';

/** How the taking of one's pictures goes. */
export interface FaceCapture {
  progress: CaptureProgress;
  good: number;
  wanted: number;
  message?: Said | null;
}

/** A place before the server's eyes. */
export interface CaptureRoom {
  url: string;
  token: string;
  room: string;
}

/** Somebody whose pictures wait for approval. */
export interface Proposal {
  person_id: string;
  name: string;
  unit: UnitRef;
  since: string;
}

export interface Proposals extends Page<Proposal> {
  /** People whom the server knows by the face. */
  known: number;
  mode: FaceMode;
}

export interface FacePicture {
  id: string;
  taken_at: string;
  finding: string;
  /** In the measure of the network; what is closer depends on it. */
  similarity?: number | null;
  sha256: string;
}

export interface ReviewedCheck extends AttendanceCheck {
  pictures: FacePicture[];
}

/** An attendance with outcomes that wait for a person. */
export interface Review {
  attendance_id: string;
  name: string;
  person_id: string;
  unit_name: string;
  lesson: { id: string; title: string; starts_at: string };
  /** Somebody else must decide. */
  not_yours: boolean;
  checks: ReviewedCheck[];
}

export type Ruling = 'upheld' | 'overturned';

export const getOwnFace = (): Answer<OwnFace> => get('/api/me/face');
export const consentToFace = (version: number): Answer<OwnFace> =>
  send('POST', '/api/me/face/consent', { version });
export const withdrawFace = (): Answer<OwnFace> => send('DELETE', '/api/me/face');
export const beginCapture = (): Answer<CaptureRoom> => send('POST', '/api/me/face/capture');

export const listFaces = (page?: number, pageSize?: number): Answer<Proposals> =>
  get(withQuery('/api/faces', { page, page_size: pageSize }));
export const approveFace = (personId: string): Answer<undefined> =>
  send('POST', `/api/faces/${personId}/approve`);
export const refuseFace = (personId: string, reason: string): Answer<undefined> =>
  send('POST', `/api/faces/${personId}/refuse`, { reason });

export const listReviews = (page?: number, pageSize?: number): Answer<Page<Review>> =>
  get(withQuery('/api/reviews', { page, page_size: pageSize }));
export const ruleCheck = (checkId: string, ruling: Ruling): Answer<undefined> =>
  send('POST', `/api/checks/${checkId}/ruling`, { ruling });

export const refuseCheck = (checkId: string): Answer<undefined> =>
  send('POST', `/api/checks/${checkId}/refuse`);
/** Puts a learner on the route without a camera for this lesson. */
export const exemptLearner = (attendanceId: string): Answer<undefined> =>
  send('POST', `/api/attendances/${attendanceId}/exempt`);

export const portraitPath = (personId: string): string => `/api/faces/${personId}/portrait`;
export const picturePath = (pictureId: string): string => `/api/pictures/${pictureId}`;

/** A picture later than this is treated as none. */
const PICTURE_TIMEOUT_MS = 20_000;

/** A picture that only some may see: it goes with the token, so no `<img>` can ask for it. */
export async function fetchPicture(path: string): Answer<Blob> {
  const first = await picture(path);
  if (first.ok || first.error.status !== 401) return first;
  const renewed = await client.refresh();
  return renewed.ok ? picture(path) : renewed;
}

async function picture(path: string): Answer<Blob> {
  try {
    const response = await fetch(path, {
      headers: { Authorization: `Bearer ${client.accessToken() ?? ''}` },
      credentials: 'same-origin',
      signal: AbortSignal.timeout(PICTURE_TIMEOUT_MS),
    });
    if (response.ok) return success(await response.blob());
    return failure(parseProblem(response.status, await response.text()));
  } catch {
    return failure(NETWORK_PROBLEM);
  }
}
