import {
  DisconnectReason,
  Room,
  RoomEvent,
  Track,
  type LocalTrack,
  type RoomOptions,
} from 'livekit-client';
import type { Join } from '../api/types';
import { isUnderTest } from '../lib/preferences';
import { failure, success, type Problem, type Result } from '../lib/result';
import { serverClock } from '../lib/serverClock';
import { createStore, type Store } from '../lib/store';
import { isPassing, nextCallState, type CallEvent, type CallState } from './callState';

/** What the person wants to send; kept over reconnects. */
export interface Wishes {
  microphone: boolean;
  camera: boolean;
}

export interface Call {
  room: Room;
  state: Store<CallState>;
  /** Set when the browser wants a tap before it plays sound. */
  soundBlocked: Store<boolean>;
  /** The device that could not be opened last, if any. */
  deviceTrouble: Store<Track.Source | undefined>;
  /** Joins with the tracks of the pre-join check, which may still be opening. */
  join: (take: () => Promise<LocalTrack[]>) => Promise<void>;
  leave: () => Promise<void>;
  /** The lesson is over by the server's word. */
  finish: () => Promise<void>;
  toggle: (source: Track.Source, on: boolean) => Promise<void>;
}

const ROOM_OPTIONS: RoomOptions = {
  adaptiveStream: true,
  dynacast: true,
  publishDefaults: { videoCodec: 'vp8' },
};

/** Waits between attempts to join again after the connection was given up; the last repeats. */
const REJOIN_MS = [500, 1000, 2000, 4000, 8000];

const CONNECT_PROBLEM: Problem = { status: 0, code: 'app.media', zh: '', en: '' };

declare global {
  interface Window {
    __room?: Room;
  }
}

export function createCall(askToJoin: () => Promise<Result<Join>>): Call {
  const room = new Room(ROOM_OPTIONS);
  const state = createStore<CallState>({ status: 'idle' });
  const soundBlocked = createStore(false);
  const deviceTrouble = createStore<Track.Source | undefined>(undefined);
  const wishes: Wishes = { microphone: false, camera: false };
  const dispatch = (event: CallEvent) => state.set(nextCallState(state.get(), event));

  const connect = async (): Promise<Result<Join>> => {
    const sentAt = serverClock.local();
    const asked = await askToJoin();
    if (!asked.ok) return asked;
    serverClock.observe(asked.value.server_time, sentAt);
    try {
      await room.connect(asked.value.url, asked.value.token);
      return success(asked.value);
    } catch {
      return failure(CONNECT_PROBLEM);
    }
  };

  let rejoining = false;
  const rejoin = async () => {
    if (rejoining) return;
    rejoining = true;
    await joinUntilBack();
    rejoining = false;
  };

  const joinUntilBack = async () => {
    for (let attempt = 0; state.get().status === 'reconnecting'; attempt += 1) {
      await pause(REJOIN_MS[Math.min(attempt, REJOIN_MS.length - 1)] ?? 0);
      if (state.get().status !== 'reconnecting') return;
      const joined = await connect();
      if (joined.ok) {
        dispatch({ type: 'joined', join: joined.value });
        await Promise.all([
          toggle(Track.Source.Microphone, wishes.microphone),
          toggle(Track.Source.Camera, wishes.camera),
        ]);
        return;
      }
      if (!isPassing(joined.error)) dispatch({ type: 'refused', problem: joined.error });
    }
  };

  const toggle = async (source: Track.Source, on: boolean) => {
    const local = room.localParticipant;
    try {
      if (source === Track.Source.Microphone) {
        wishes.microphone = on;
        await local.setMicrophoneEnabled(on);
      } else if (source === Track.Source.Camera) {
        wishes.camera = on;
        await local.setCameraEnabled(on);
      } else {
        await local.setScreenShareEnabled(on, { audio: true });
      }
      deviceTrouble.set(undefined);
    } catch (error) {
      // Closing the browser's own picker of screens is a decision, not trouble.
      if (source !== Track.Source.ScreenShare || !isCancelled(error)) deviceTrouble.set(source);
    }
  };

  room
    .on(RoomEvent.Reconnecting, () => dispatch({ type: 'interrupted' }))
    .on(RoomEvent.SignalReconnecting, () => dispatch({ type: 'interrupted' }))
    .on(RoomEvent.Reconnected, () => dispatch({ type: 'restored' }))
    .on(RoomEvent.AudioPlaybackStatusChanged, () => soundBlocked.set(!room.canPlaybackAudio))
    .on(RoomEvent.Disconnected, (reason) => {
      const ending = endingOf(reason);
      if (ending) {
        dispatch({ type: 'finished', ending });
        return;
      }
      dispatch({ type: 'interrupted' });
      void rejoin();
    });
  if (isUnderTest()) window.__room = room;

  return {
    room,
    state,
    soundBlocked,
    deviceTrouble,
    toggle,
    join: async (take) => {
      dispatch({ type: 'join_asked' });
      const tracks = await take();
      if (state.get().status !== 'joining') {
        for (const track of tracks) track.stop();
        return;
      }
      const joined = await connect();
      if (!joined.ok) {
        dispatch({ type: 'refused', problem: joined.error });
        return;
      }
      dispatch({ type: 'joined', join: joined.value });
      wishes.microphone = tracks.some((track) => track.kind === Track.Kind.Audio);
      wishes.camera = tracks.some((track) => track.kind === Track.Kind.Video);
      await Promise.all(
        tracks.map(async (track) => {
          try {
            await room.localParticipant.publishTrack(track);
          } catch {
            deviceTrouble.set(track.source);
          }
        }),
      );
    },
    leave: async () => {
      dispatch({ type: 'finished', ending: { kind: 'left' } });
      await room.disconnect();
    },
    finish: async () => {
      dispatch({ type: 'finished', ending: { kind: 'ended' } });
      await room.disconnect();
    },
  };
}

/** The ending that a reason means, or none when the call should be joined again. */
export function endingOf(
  reason: DisconnectReason | undefined,
): { kind: 'left' | 'ended' | 'removed' | 'taken_over' } | undefined {
  switch (reason) {
    case DisconnectReason.CLIENT_INITIATED:
      return { kind: 'left' };
    case DisconnectReason.PARTICIPANT_REMOVED:
      return { kind: 'removed' };
    case DisconnectReason.DUPLICATE_IDENTITY:
      return { kind: 'taken_over' };
    case DisconnectReason.ROOM_DELETED:
    case DisconnectReason.ROOM_CLOSED:
      return { kind: 'ended' };
    default:
      return undefined;
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function isCancelled(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'NotAllowedError';
}
