import type { CaptureProgress, FaceCapture, Said } from '../api/faces';
import type { Problem } from '../lib/result';
import type { DeviceTrouble } from './preview';

/** Why pictures were not taken: as the server tells it, a device, or a request. */
export type CaptureTrouble =
  | { kind: 'progress'; progress: Exclude<CaptureProgress, 'looking' | 'taken'> }
  | { kind: 'device'; trouble: DeviceTrouble }
  | { kind: 'problem'; problem: Problem };

export type CaptureState =
  | { status: 'idle' }
  | { status: 'opening' }
  | { status: 'looking'; good: number; wanted: number; message?: Said }
  | { status: 'taken' }
  | { status: 'failed'; trouble: CaptureTrouble };

export type CaptureEvent =
  | { type: 'asked' }
  | { type: 'published' }
  | { type: 'told'; told: FaceCapture }
  | { type: 'troubled'; trouble: CaptureTrouble }
  | { type: 'stopped' };

/** Pictures that the server takes at most, until it says so itself. */
const WANTED = 5;

/** The life of one try; what comes late, or of another page, changes nothing. */
export function nextCapture(state: CaptureState, event: CaptureEvent): CaptureState {
  const isOn = state.status === 'opening' || state.status === 'looking';
  switch (event.type) {
    case 'asked':
      return isOn ? state : { status: 'opening' };
    case 'published':
      return state.status === 'opening' ? { status: 'looking', good: 0, wanted: WANTED } : state;
    case 'told':
      return isOn ? told(event.told) : state;
    case 'troubled':
      return isOn ? { status: 'failed', trouble: event.trouble } : state;
    case 'stopped':
      return isOn ? { status: 'idle' } : state;
  }
}

function told({ progress, good, wanted, message }: FaceCapture): CaptureState {
  switch (progress) {
    case 'looking':
      return { status: 'looking', good, wanted, ...(message ? { message } : {}) };
    case 'taken':
      return { status: 'taken' };
    case 'too_few':
    case 'not_one_person':
    case 'no_camera':
    case 'failed':
      return { status: 'failed', trouble: { kind: 'progress', progress } };
  }
}
