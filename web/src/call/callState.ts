import type { Join } from '../api/types';
import type { Problem } from '../lib/result';

/** Why a call is over. `refused` carries the problem that the server told. */
export type Ending =
  | { kind: 'left' }
  | { kind: 'ended' }
  | { kind: 'removed' }
  | { kind: 'taken_over' }
  | { kind: 'refused'; problem: Problem };

export type CallState =
  | { status: 'idle' }
  | { status: 'joining' }
  | { status: 'connected'; join: Join }
  | { status: 'reconnecting'; join: Join }
  | { status: 'over'; ending: Ending };

export type CallEvent =
  | { type: 'join_asked' }
  | { type: 'joined'; join: Join }
  | { type: 'refused'; problem: Problem }
  | { type: 'interrupted' }
  | { type: 'restored' }
  | { type: 'finished'; ending: Exclude<Ending, { kind: 'refused' }> };

/**
 * The call's life. An event that does not fit the state changes nothing: a late message of an old
 * connection must not wake a call that the person has left.
 */
export function nextCallState(state: CallState, event: CallEvent): CallState {
  switch (event.type) {
    case 'join_asked':
      return state.status === 'idle' || state.status === 'over' ? { status: 'joining' } : state;
    case 'joined':
      return state.status === 'joining' || state.status === 'reconnecting'
        ? { status: 'connected', join: event.join }
        : state;
    case 'refused':
      return state.status === 'joining' || state.status === 'reconnecting'
        ? { status: 'over', ending: { kind: 'refused', problem: event.problem } }
        : state;
    case 'interrupted':
      return state.status === 'connected' ? { status: 'reconnecting', join: state.join } : state;
    case 'restored':
      return state.status === 'reconnecting' ? { status: 'connected', join: state.join } : state;
    case 'finished':
      return state.status === 'idle' || state.status === 'over'
        ? state
        : { status: 'over', ending: event.ending };
  }
}

/** A refusal that waiting can mend: no answer, a server that restarts, or a limit of requests. */
export function isPassing(problem: Problem): boolean {
  return problem.status === 0 || problem.status === 429 || problem.status >= 500;
}
