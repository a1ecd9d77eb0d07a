import type { Said } from '../api/faces';
import type { CheckKind, Gesture } from '../api/types';

/** How far a look is, as the person before the camera is led. */
export interface LookGuide {
  /** `face`: look straight; `act`: do what is asked; `face_again`: look straight once more. */
  stage: 'face' | 'act' | 'face_again';
  /** What is wrong right now, in the server's words. */
  message?: Said;
}

export const FIRST_GUIDE: LookGuide = { stage: 'face' };

const GESTURES: readonly string[] = ['turn_left', 'turn_right', 'open_mouth'] satisfies Gesture[];

/** True of checks that the server makes by itself, from the person's camera. */
export function isLook(kind: CheckKind): boolean {
  return kind === 'face' || kind === 'action';
}

/**
 * The guide after what the server said. It asks for the act by the act's own name, and for the face
 * again when the act was seen; both are shown as steps, everything else in words.
 */
export function nextGuide(guide: LookGuide, message: Said | null | undefined): LookGuide {
  if (!message) return { stage: guide.stage };
  // Said at the end of a try; whether one may go on, the outcome tells.
  if (message.code === 'not_confirmed') return { stage: guide.stage };
  if (GESTURES.includes(message.code)) return { stage: 'act' };
  if (message.code === 'look_straight' && guide.stage === 'act') return { stage: 'face_again' };
  return { stage: guide.stage, message };
}
