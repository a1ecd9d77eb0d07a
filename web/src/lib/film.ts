import Hls, { ErrorTypes, Events } from 'hls.js/light';

/** Media that is buffered ahead, seconds: less than the server hands over ahead of time. */
const AHEAD_S = 20;
/** Media that is kept for looking back, seconds. */
const BEHIND_S = 60;
/** What a connection is taken to carry before it is measured: a poor phone's. */
const BITS_AT_FIRST = 200_000;
/** Between two attempts to get a segment: it may lie ahead, or the network be away. */
const RETRY_MS = 2000;
const ATTEMPTS_MAX = 10_000;
/** Refused, and never otherwise however often one asks. */
const FINAL = [403, 404, 409, 410];

export interface FilmSource {
  /** Attaches a playlist and goes to a position. */
  load: (url: string, positionS: number) => void;
  destroy: () => void;
}

export const canPlay = (): boolean => Hls.isSupported();

/** A film in a video element, with the session's own access token. */
export function attachFilm(
  video: HTMLVideoElement,
  token: () => string | undefined,
  onFatal: (status: number | undefined) => void,
): FilmSource {
  let hls: Hls | undefined;
  const load = (url: string, positionS: number) => {
    hls?.destroy();
    const patient = {
      maxTimeToFirstByteMs: 30_000,
      maxLoadTimeMs: 120_000,
      timeoutRetry: { maxNumRetry: ATTEMPTS_MAX, retryDelayMs: 0, maxRetryDelayMs: 0 },
      errorRetry: {
        maxNumRetry: ATTEMPTS_MAX,
        retryDelayMs: RETRY_MS,
        maxRetryDelayMs: RETRY_MS,
        shouldRetry: (
          _: unknown,
          __: number,
          ___: boolean,
          response: { code?: number } | undefined,
        ) => !FINAL.includes(response?.code ?? 0),
      },
    };
    hls = new Hls({
      startPosition: positionS,
      maxBufferLength: AHEAD_S,
      maxMaxBufferLength: AHEAD_S,
      backBufferLength: BEHIND_S,
      abrEwmaDefaultEstimate: BITS_AT_FIRST,
      capLevelToPlayerSize: true,
      fragLoadPolicy: { default: patient },
      manifestLoadPolicy: { default: patient },
      playlistLoadPolicy: { default: patient },
      xhrSetup: (request) => request.setRequestHeader('Authorization', `Bearer ${token() ?? ''}`),
    });
    const playing = hls;
    let mended = false;
    hls.on(Events.ERROR, (_, error) => {
      if (!error.fatal) return;
      if (error.type === ErrorTypes.MEDIA_ERROR && !mended) {
        mended = true;
        playing.recoverMediaError();
        return;
      }
      onFatal(error.response?.code);
    });
    hls.loadSource(url);
    hls.attachMedia(video);
  };
  return { load, destroy: () => hls?.destroy() };
}
