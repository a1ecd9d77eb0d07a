import {
  createLocalAudioTrack,
  createLocalVideoTrack,
  Room,
  type LocalAudioTrack,
  type LocalTrack,
  type LocalVideoTrack,
} from 'livekit-client';
import { createStore, type Store } from '../lib/store';

/** Why a device is not open. */
export type DeviceTrouble = 'insecure' | 'denied' | 'missing' | 'busy';

export type DeviceState<T> =
  | { status: 'opening' }
  | { status: 'open'; track: T }
  | { status: 'off' }
  | { status: 'failed'; trouble: DeviceTrouble };

export interface PreviewState {
  camera: DeviceState<LocalVideoTrack>;
  microphone: DeviceState<LocalAudioTrack>;
  cameras: MediaDeviceInfo[];
  microphones: MediaDeviceInfo[];
}

export interface Preview {
  state: Store<PreviewState>;
  openCamera: (deviceId?: string) => Promise<void>;
  openMicrophone: (deviceId?: string) => Promise<void>;
  closeCamera: () => void;
  closeMicrophone: () => void;
  /** Hands the open tracks to the call; the preview will no longer stop them. */
  take: () => Promise<LocalTrack[]>;
  stop: () => void;
}

/** How long entering waits for devices that are being opened: a question may be on the screen. */
const OPENING_MAX_MS = 5_000;

/** The devices before the lesson: open, chosen and stopped here, then handed to the call. */
export function createPreview(): Preview {
  const state = createStore<PreviewState>({
    camera: { status: 'opening' },
    microphone: { status: 'opening' },
    cameras: [],
    microphones: [],
  });
  let stopped = false;
  let opening: Promise<unknown> = Promise.resolve();
  const change = (part: Partial<PreviewState>) => state.set({ ...state.get(), ...part });

  const closeCamera = () => {
    const { camera } = state.get();
    if (camera.status === 'open') camera.track.stop();
    change({ camera: { status: 'off' } });
  };
  const closeMicrophone = () => {
    const { microphone } = state.get();
    if (microphone.status === 'open') microphone.track.stop();
    change({ microphone: { status: 'off' } });
  };

  const listDevices = async () => {
    const [cameras, microphones] = await Promise.all([
      Room.getLocalDevices('videoinput', false),
      Room.getLocalDevices('audioinput', false),
    ]);
    change({ cameras, microphones });
  };

  const openCamera = async (deviceId?: string) => {
    closeCamera();
    change({ camera: { status: 'opening' } });
    const opened = await openDevice(() =>
      createLocalVideoTrack(deviceId ? { deviceId } : undefined),
    );
    if (stopped && opened.status === 'open') opened.track.stop();
    else change({ camera: opened });
    if (opened.status === 'open') await listDevices();
  };

  const openMicrophone = async (deviceId?: string) => {
    closeMicrophone();
    change({ microphone: { status: 'opening' } });
    const opened = await openDevice(() =>
      createLocalAudioTrack(deviceId ? { deviceId } : undefined),
    );
    if (stopped && opened.status === 'open') opened.track.stop();
    else change({ microphone: opened });
    if (opened.status === 'open') await listDevices();
  };

  /** Remembers what is under way, so that whoever enters quickly still enters with a picture. */
  const remembered = (open: (deviceId?: string) => Promise<void>) => (deviceId?: string) => {
    const opened = open(deviceId);
    opening = Promise.allSettled([opening, opened]);
    return opened;
  };

  return {
    state,
    openCamera: remembered(openCamera),
    openMicrophone: remembered(openMicrophone),
    closeCamera,
    closeMicrophone,
    take: async () => {
      await Promise.race([opening, new Promise((late) => setTimeout(late, OPENING_MAX_MS))]);
      const { camera, microphone } = state.get();
      stopped = true;
      const tracks: LocalTrack[] = [];
      if (microphone.status === 'open') tracks.push(microphone.track);
      if (camera.status === 'open') tracks.push(camera.track);
      change({ camera: { status: 'off' }, microphone: { status: 'off' } });
      return tracks;
    },
    stop: () => {
      stopped = true;
      closeCamera();
      closeMicrophone();
    },
  };
}

/** Opens a device, or tells why it does not open. */
export async function openDevice<T>(create: () => Promise<T>): Promise<DeviceState<T>> {
  // Browsers hide the devices from pages that came over plain HTTP.
  if (!window.isSecureContext) return { status: 'failed', trouble: 'insecure' };
  try {
    return { status: 'open', track: await create() };
  } catch (error) {
    return { status: 'failed', trouble: troubleOf(error) };
  }
}

function troubleOf(error: unknown): DeviceTrouble {
  const name = error instanceof Error ? error.name : '';
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'denied';
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return 'missing';
  return 'busy';
}
