import type { Result } from '../../../lib/result';
import { createStore, type Store } from '../../../lib/store';
import { entryAt, nextWanted, type TapeEntry } from './tape';

/** What a track shows at the moment. */
export type Showing = 'playing' | 'gap' | 'loading' | 'unplayable';

export interface PlayerState {
  /** Seconds from the recording's beginning. */
  position: number;
  playing: boolean;
  rate: number;
  showing: Record<string, Showing>;
}

export interface PlayerTrack {
  id: string;
  tape: TapeEntry[];
}

export interface Player {
  state: Store<PlayerState>;
  duration: number;
  /** Gives a track the element that it plays in; call the answer to take it away. */
  attach: (track: string, element: HTMLMediaElement) => () => void;
  toggle: () => void;
  seek: (position: number) => void;
  setRate: (rate: number) => void;
  /** Lets the clock run; call the answer to stop it. */
  start: () => () => void;
}

type Load = (track: string, sequence: number) => Promise<Result<ArrayBuffer>>;

/** How often tracks are held to the common clock. */
const TICK_MS = 100;
/** Fetched ahead of what plays, seconds. */
const AHEAD = 20;
/** Kept behind what plays, seconds. */
const BEHIND = 60;
/** A track that is further from the clock than this is set to it; half of it is not heard. */
const APART_MAX = 0.15;

/** All tracks of a recording by one clock; a track that must load holds the clock. */
export function createPlayer(tracks: PlayerTrack[], duration: number, load: Load): Player {
  const state = createStore<PlayerState>({ position: 0, playing: false, rate: 1, showing: {} });
  const reels = new Map<string, Reel>();
  let lastTick = performance.now();

  const tick = () => {
    const now = performance.now();
    const { position, playing, rate, showing } = state.get();
    const passed = ((now - lastTick) / 1000) * rate;
    lastTick = now;
    const held = Object.values(showing).includes('loading');
    const moved = playing && !held ? Math.min(duration, position + passed) : position;
    const runs = playing && !held && moved < duration;
    const shows: Record<string, Showing> = {};
    for (const [id, reel] of reels) shows[id] = reel.follow(moved, runs, rate);
    const next = { position: moved, playing: playing && moved < duration, rate, showing: shows };
    if (!isSame(state.get(), next)) state.set(next);
  };
  return {
    state,
    duration,
    attach: (track, element) => {
      const known = tracks.find((each) => each.id === track);
      const reel = createReel(known?.tape ?? [], duration, element, (sequence) =>
        load(track, sequence),
      );
      reels.set(track, reel);
      return () => {
        reels.delete(track);
        reel.close();
      };
    },
    toggle: () => {
      const { position, playing } = state.get();
      const isOver = position >= duration;
      state.set({ ...state.get(), playing: !playing, position: isOver ? 0 : position });
    },
    seek: (position) => {
      state.set({ ...state.get(), position: Math.min(Math.max(0, position), duration) });
      tick();
    },
    setRate: (rate) => state.set({ ...state.get(), rate }),
    start: () => {
      lastTick = performance.now();
      const timer = setInterval(tick, TICK_MS);
      return () => clearInterval(timer);
    },
  };
}

function isSame(one: PlayerState, other: PlayerState): boolean {
  return (
    one.position === other.position &&
    one.playing === other.playing &&
    one.rate === other.rate &&
    JSON.stringify(one.showing) === JSON.stringify(other.showing)
  );
}

/** One track in its element. */
interface Reel {
  /** Brings the element to a position; what it shows there. */
  follow: (position: number, runs: boolean, rate: number) => Showing;
  close: () => void;
}

function createReel(
  tape: TapeEntry[],
  duration: number,
  element: HTMLMediaElement,
  load: (sequence: number) => Promise<Result<ArrayBuffer>>,
): Reel {
  const types = new Set(tape.flatMap((entry) => entry.mediaType ?? []));
  const canPlay = [...types].every((type) => MediaSource.isTypeSupported(type));
  const source = new MediaSource();
  const address = URL.createObjectURL(source);
  const loaded = new Set<number>();
  const failed = new Set<number>();
  let buffer: SourceBuffer | undefined;
  let busy = false;
  let closed = false;
  source.addEventListener('sourceopen', () => {
    const [type] = types;
    if (closed || buffer || type === undefined || !canPlay) return;
    buffer = source.addSourceBuffer(type);
    source.duration = duration;
  });
  element.src = address;

  const settled = (target: SourceBuffer) =>
    new Promise((resolve) => {
      target.addEventListener('updateend', resolve, { once: true });
    });

  const pump = async (position: number) => {
    if (busy || closed || !buffer) return;
    const entry = nextWanted(tape, new Set([...loaded, ...failed]), position, AHEAD);
    if (!entry) return;
    busy = true;
    const file = await load(entry.sequence);
    if (file.ok && !isClosed()) {
      try {
        if (entry.mediaType !== undefined) buffer.changeType(entry.mediaType);
        buffer.appendBuffer(file.value);
        await settled(buffer);
        loaded.add(entry.sequence);
        await forget(buffer, position);
      } catch {
        failed.add(entry.sequence);
      }
    } else if (!file.ok && file.error.status >= 400 && file.error.status < 500) {
      failed.add(entry.sequence);
    }
    busy = false;
  };
  const isClosed = () => closed;

  const forget = async (target: SourceBuffer, position: number) => {
    const until = position - BEHIND;
    const old = tape.filter((entry) => loaded.has(entry.sequence) && entry.to < until);
    const last = old.at(-1);
    if (!last) return;
    target.remove(0, last.to);
    await settled(target);
    for (const entry of old) loaded.delete(entry.sequence);
  };

  const isBuffered = (position: number) => {
    const ranges = element.buffered;
    for (let index = 0; index < ranges.length; index += 1) {
      // The last frame of a segment may end a little before its entry does.
      if (ranges.start(index) - 0.3 <= position && position < ranges.end(index) + 0.3) return true;
    }
    return false;
  };

  return {
    follow: (position, runs, rate) => {
      void pump(position);
      const entry = entryAt(tape, position);
      const rest = (showing: Showing): Showing => {
        if (!element.paused) element.pause();
        return showing;
      };
      if (!canPlay || (entry && failed.has(entry.sequence))) return rest('unplayable');
      if (entry?.mediaType === undefined) return rest('gap');
      if (!loaded.has(entry.sequence) || !isBuffered(position)) {
        return rest(loaded.has(entry.sequence) ? 'gap' : 'loading');
      }
      element.playbackRate = rate;
      const apart = Math.abs(element.currentTime - position);
      if (apart > (runs ? APART_MAX : 0.05)) element.currentTime = position;
      if (runs && element.paused) void element.play().catch(() => undefined);
      if (!runs && !element.paused) element.pause();
      return 'playing';
    },
    close: () => {
      closed = true;
      element.pause();
      element.removeAttribute('src');
      element.load();
      URL.revokeObjectURL(address);
    },
  };
}
