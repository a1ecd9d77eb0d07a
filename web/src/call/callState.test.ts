import { DisconnectReason } from 'livekit-client';
import { describe, expect, it } from 'vitest';
import type { Join } from '../api/types';
import { endingOf } from './call';
import { isPassing, nextCallState, type CallEvent, type CallState } from './callState';

const JOIN: Join = {
  url: 'ws://127.0.0.1',
  token: 't',
  room: 'r',
  identity: 'a',
  role: 'learner',
  server_time: '2026-11-22T02:00:00Z',
  notice: { recorded: false, checks: true },
};
const PROBLEM = { status: 409, code: 'lesson.not_live', zh: '', en: '' };

function after(...events: CallEvent[]): CallState {
  return events.reduce<CallState>(nextCallState, { status: 'idle' });
}

describe('a call', () => {
  it('goes from joining to connected', () => {
    expect(after({ type: 'join_asked' }, { type: 'joined', join: JOIN })).toEqual({
      status: 'connected',
      join: JOIN,
    });
  });

  it('keeps its room while the network is away', () => {
    const events: CallEvent[] = [{ type: 'join_asked' }, { type: 'joined', join: JOIN }];
    expect(after(...events, { type: 'interrupted' })).toEqual({
      status: 'reconnecting',
      join: JOIN,
    });
    expect(after(...events, { type: 'interrupted' }, { type: 'restored' }).status).toBe(
      'connected',
    );
  });

  it('is over when the server refuses it', () => {
    expect(after({ type: 'join_asked' }, { type: 'refused', problem: PROBLEM })).toEqual({
      status: 'over',
      ending: { kind: 'refused', problem: PROBLEM },
    });
  });

  it('does not wake up after it was left', () => {
    const left: CallEvent[] = [
      { type: 'join_asked' },
      { type: 'joined', join: JOIN },
      { type: 'finished', ending: { kind: 'left' } },
    ];
    for (const late of [
      { type: 'restored' },
      { type: 'interrupted' },
      { type: 'joined', join: JOIN },
      { type: 'finished', ending: { kind: 'ended' } },
    ] satisfies CallEvent[]) {
      expect(after(...left, late)).toEqual({ status: 'over', ending: { kind: 'left' } });
    }
  });
});

describe('a lost connection', () => {
  it.each([
    [DisconnectReason.CLIENT_INITIATED, 'left'],
    [DisconnectReason.PARTICIPANT_REMOVED, 'removed'],
    [DisconnectReason.DUPLICATE_IDENTITY, 'taken_over'],
    [DisconnectReason.ROOM_DELETED, 'ended'],
  ])('of reason %s means %s', (reason, kind) => {
    expect(endingOf(reason)).toEqual({ kind });
  });

  it.each([
    undefined,
    DisconnectReason.SERVER_SHUTDOWN,
    DisconnectReason.STATE_MISMATCH,
    DisconnectReason.SIGNAL_CLOSE,
  ])('of reason %s is joined again', (reason) => {
    expect(endingOf(reason)).toBeUndefined();
  });

  it('is given up only for what waiting cannot mend', () => {
    expect(isPassing({ ...PROBLEM, status: 0 })).toBe(true);
    expect(isPassing({ ...PROBLEM, status: 503 })).toBe(true);
    expect(isPassing({ ...PROBLEM, status: 429 })).toBe(true);
    expect(isPassing(PROBLEM)).toBe(false);
  });
});
