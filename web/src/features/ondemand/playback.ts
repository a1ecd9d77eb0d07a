import { beatPlayback, endPlayback, playLesson } from '../../api/library';
import { client } from '../../api/client';
import type { Play, PlayState } from '../../api/types';
import { deviceId } from '../../lib/preferences';
import { createStore } from '../../lib/store';
import type { Problem } from '../../lib/result';
import { patiently } from '../../lib/patiently';
import type { FilmSource } from '../../lib/film';

/** So often the player says where it is. */
const BEAT_MS = 5000;
/** Steps of the buttons, seconds. */
export const STEP_S = 10;

export type PlaybackState =
  | { status: 'starting' }
  | { status: 'elsewhere' }
  | { status: 'failed'; problem: Problem | undefined; reason?: 'unsupported' | 'broken' }
  | { status: 'ended'; problem: Problem }
  | { status: 'open'; play: Play };

export interface Moment {
  playing: boolean;
  waiting: boolean;
  positionMs: number;
  watchedMs: number;
  finished: boolean;
  soundOnly: boolean;
  muted: boolean;
  speed: number;
  /** The page went to the background, which paused it. */
  hidden: boolean;
}

const AT_FIRST: Moment = {
  playing: false,
  waiting: false,
  positionMs: 0,
  watchedMs: 0,
  finished: false,
  soundOnly: false,
  muted: false,
  speed: 1,
  hidden: false,
};

export type Playback = ReturnType<typeof createPlayback>;

/** How far one may move, milliseconds: what was watched, and what this player came to by itself. */
export function reachMs(watchedMs: number, reachedMs: number): number {
  return Math.max(watchedMs, reachedMs);
}

/** One lesson in one player. The server decides what was watched; this only asks and tells. */
export function createPlayback(lessonId: string) {
  const state = createStore<PlaybackState>({ status: 'starting' });
  const moment = createStore<Moment>(AT_FIRST);
  let video: HTMLVideoElement | undefined;
  let film: FilmSource | undefined;
  let timer: ReturnType<typeof setInterval> | undefined;
  let reachedMs = 0;
  let closed = false;

  const change = (part: Partial<Moment>) => moment.set({ ...moment.get(), ...part });
  const opened = () => {
    const now = state.get();
    return now.status === 'open' ? now.play : undefined;
  };
  const letGo = () => {
    clearInterval(timer);
    film?.destroy();
    film = undefined;
  };
  const heard = (told: PlayState) =>
    change({ watchedMs: told.watched_ms, finished: told.finished });

  const beat = async () => {
    const play = opened();
    if (!play || !video) return;
    const said = {
      position_ms: Math.round(video.currentTime * 1000),
      playing: !video.paused && !video.seeking,
      visible: document.visibilityState === 'visible',
    };
    const result = await beatPlayback(play.playback_id, said);
    if (opened() !== play) return;
    if (result.ok) heard(result.value);
    else if (result.error.status === 409) {
      letGo();
      state.set({ status: 'ended', problem: result.error });
    }
  };

  const start = async (takeOver: boolean) => {
    letGo();
    state.set({ status: 'starting' });
    const { canPlay } = await patiently(() => import('../../lib/film'));
    if (!canPlay()) {
      state.set({ status: 'failed', problem: undefined, reason: 'unsupported' });
      return;
    }
    const result = await playLesson(lessonId, deviceId(), takeOver);
    if (closed) return;
    if (!result.ok) {
      const elsewhere = result.error.code === 'playback.elsewhere';
      state.set(elsewhere ? { status: 'elsewhere' } : { status: 'failed', problem: result.error });
      return;
    }
    reachedMs = result.value.resume_ms;
    moment.set({ ...AT_FIRST, positionMs: reachedMs, soundOnly: !result.value.picture });
    heard(result.value.state);
    state.set({ status: 'open', play: result.value });
    timer = setInterval(() => void beat(), BEAT_MS);
  };

  const address = (play: Play, soundOnly: boolean) =>
    `/api/playbacks/${play.playback_id}/media/${soundOnly ? 'sound' : 'master'}.m3u8`;

  /** Gives the player its element; called once it is on the page. */
  const attach = async (element: HTMLVideoElement) => {
    const play = opened();
    video = element;
    if (!play) return;
    const { attachFilm } = await patiently(() => import('../../lib/film'));
    if (closed || opened() !== play) return;
    film = attachFilm(element, client.accessToken, (status) => {
      if (status === 409) {
        void beat();
        return;
      }
      letGo();
      state.set({ status: 'failed', problem: undefined, reason: 'broken' });
    });
    film.load(address(play, moment.get().soundOnly), play.resume_ms / 1000);
  };

  const seek = (toMs: number) => {
    if (!video) return;
    const most = reachMs(moment.get().watchedMs, reachedMs);
    video.currentTime = Math.min(Math.max(0, toMs), most) / 1000;
  };

  const toggle = async () => {
    if (!video) return;
    if (video.paused) {
      change({ hidden: false });
      // A browser that wants a tap first refuses; the button is there.
      await video.play().catch(() => undefined);
    } else video.pause();
  };

  /** What the element tells. */
  const events = {
    onTimeUpdate: () => {
      if (!video) return;
      const positionMs = video.currentTime * 1000;
      const most = reachMs(moment.get().watchedMs, reachedMs);
      // It came there by playing, a little at a time.
      if (positionMs > most && positionMs < most + 2000) reachedMs = positionMs;
      change({ positionMs });
    },
    onSeeking: () => {
      if (!video) return;
      const most = reachMs(moment.get().watchedMs, reachedMs);
      if (video.currentTime * 1000 > most + 500) video.currentTime = most / 1000;
    },
    onPlay: () => {
      change({ playing: true });
      void beat();
    },
    onPlaying: () => change({ playing: true, waiting: false }),
    onWaiting: () => change({ waiting: true }),
    onPause: () => {
      change({ playing: false, waiting: false });
      void beat();
    },
    onEnded: () => void beat(),
  };

  const onVisibility = () => {
    if (document.visibilityState === 'visible' || !video || video.paused) return;
    video.pause();
    change({ hidden: true });
  };
  return {
    state,
    moment,
    events,
    start: (takeOver = false) => {
      closed = false;
      document.addEventListener('visibilitychange', onVisibility);
      void start(takeOver);
    },
    attach: (element: HTMLVideoElement) => void attach(element),
    toggle: () => void toggle(),
    seek,
    step: (seconds: number) => {
      if (video) seek((video.currentTime + seconds) * 1000);
    },
    setSpeed: (speed: number) => {
      if (video) video.playbackRate = speed;
      change({ speed });
    },
    setMuted: (muted: boolean) => {
      if (video) video.muted = muted;
      change({ muted });
    },
    setSoundOnly: (soundOnly: boolean) => {
      const play = opened();
      if (!play || !video || !film) return;
      const goesOn = !video.paused;
      film.load(address(play, soundOnly), video.currentTime);
      if (goesOn) void video.play().catch(() => undefined);
      change({ soundOnly });
    },
    close: () => {
      closed = true;
      document.removeEventListener('visibilitychange', onVisibility);
      const play = opened();
      void beat().then(() => {
        if (play) void endPlayback(play.playback_id);
      });
      letGo();
    },
  };
}
