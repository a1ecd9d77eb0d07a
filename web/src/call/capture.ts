import { createLocalVideoTrack, Room, Track, type LocalVideoTrack } from 'livekit-client';
import { beginCapture } from '../api/faces';
import { events } from '../api/live';
import { createStore, type Store } from '../lib/store';
import { nextCapture, type CaptureEvent, type CaptureState } from './captureState';
import { openDevice } from './preview';

/** One's pictures being taken by the server, from the own camera as it publishes it. */
export interface Capture {
  state: Store<CaptureState>;
  /** The own picture while the camera is open. */
  track: Store<LocalVideoTrack | undefined>;
  start: () => Promise<void>;
  stop: () => void;
}

/** The server gives up long before; this finds a word that was lost. */
const NO_NEWS_MS = 90_000;

const WIDTH = 640;
const HEIGHT = 480;

export function createCapture(): Capture {
  const state = createStore<CaptureState>({ status: 'idle' });
  const track = createStore<LocalVideoTrack | undefined>(undefined);
  let room: Room | undefined;
  let forget: (() => void) | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const end = () => {
    clearTimeout(timer);
    forget?.();
    forget = undefined;
    track.get()?.stop();
    track.set(undefined);
    void room?.disconnect();
    room = undefined;
  };

  const dispatch = (event: CaptureEvent) => {
    const next = nextCapture(state.get(), event);
    if (next.status !== 'opening' && next.status !== 'looking') end();
    else awaitNews();
    state.set(next);
  };

  const awaitNews = () => {
    clearTimeout(timer);
    const trouble = { kind: 'progress', progress: 'failed' } as const;
    timer = setTimeout(() => dispatch({ type: 'troubled', trouble }), NO_NEWS_MS);
  };

  const isOn = () => state.get().status === 'opening' || state.get().status === 'looking';

  const start = async () => {
    if (isOn()) return;
    dispatch({ type: 'asked' });
    forget = events.on('face_capture', (told) => dispatch({ type: 'told', told }));
    const opened = await openDevice(() =>
      createLocalVideoTrack({
        facingMode: 'user',
        resolution: { width: WIDTH, height: HEIGHT, frameRate: 15 },
      }),
    );
    if (opened.status === 'failed') {
      dispatch({ type: 'troubled', trouble: { kind: 'device', trouble: opened.trouble } });
      return;
    }
    if (opened.status !== 'open') return;
    if (!isOn()) {
      opened.track.stop();
      return;
    }
    track.set(opened.track);
    const place = await beginCapture();
    if (!isOn()) return;
    if (!place.ok) {
      dispatch({ type: 'troubled', trouble: { kind: 'problem', problem: place.error } });
      return;
    }
    room = new Room();
    try {
      await room.connect(place.value.url, place.value.token, { autoSubscribe: false });
      await room.localParticipant.publishTrack(opened.track, {
        source: Track.Source.Camera,
        videoCodec: 'vp8',
        simulcast: false,
      });
      dispatch({ type: 'published' });
    } catch {
      const problem = { status: 0, code: 'app.media', zh: '', en: '' };
      dispatch({ type: 'troubled', trouble: { kind: 'problem', problem } });
    }
  };

  return { state, track, start, stop: () => dispatch({ type: 'stopped' }) };
}
