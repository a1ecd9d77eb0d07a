import type { LessonState } from '../api/types';
import type { Tone } from './State';

const TONES: Record<LessonState, Tone> = {
  scheduled: 'waiting',
  live: 'ok',
  break: 'attention',
  ended: 'neutral',
  cancelled: 'refused',
};

export function lessonTone(state: LessonState): Tone {
  return TONES[state];
}

const PASSING = ['passed', 'exempt', 'void'];

/** How the outcome of a check looks; none yet is waiting. */
export function outcomeTone(outcome: string | null | undefined): Tone {
  if (outcome === null || outcome === undefined) return 'waiting';
  if (outcome === 'passed_low_assurance') return 'waiting';
  if (PASSING.includes(outcome)) return 'ok';
  return outcome === 'interrupted' ? 'attention' : 'refused';
}
