import { refuseCheck } from '../api/faces';
import { answerCheck, joinLesson, sendHeartbeat, serverInfo } from '../api/calls';
import { events, keys, queryClient } from '../api/live';
import type { Heartbeat as Answer } from '../api/types';
import { deviceId } from '../lib/preferences';
import { serverClock } from '../lib/serverClock';
import { createStore, type Store } from '../lib/store';
import { unlockSound } from './alarm';
import { createCall, type Call } from './call';
import { startHeartbeat, type Heartbeat } from './heartbeat';
import { watchNetwork, type NetworkLight } from './network';
import { createPreview, type Preview } from './preview';
import { createPrompts, type Prompts } from './prompts';

/** One stay in one lesson: devices, call, heartbeat and prompts, from pre-join to leaving. */
export interface Visit {
  call: Call;
  preview: Preview;
  prompts: Prompts;
  network: Store<NetworkLight>;
  /** Credited seconds as the server told last; nothing for staff. */
  credited: Store<number | undefined>;
  /** What the server sees of the camera, where learners are known by the face. */
  sight: Store<CameraSight | undefined>;
  /** Opens devices and starts measuring the network. */
  prepare: () => void;
  enter: () => Promise<void>;
  dispose: () => void;
}

/** `seen`: it shows something; `dark`: it shows nothing, and time does not count. */
export type CameraSight = 'seen' | 'dark';

export function createVisit(lessonId: string): Visit {
  const call = createCall(() => joinLesson(lessonId, deviceId()));
  const preview = createPreview();
  const credited = createStore<number | undefined>(undefined);
  const sight = createStore<CameraSight | undefined>(undefined);
  const network = watchNetwork(async () => (await serverInfo()).ok);
  let heartbeat: Heartbeat | undefined;

  const prompts = createPrompts({
    now: serverClock.now,
    answer: answerCheck,
    renew: () => void heartbeat?.beat(),
    refuse: refuseCheck,
  });

  const beat = (attendanceId: string) =>
    startHeartbeat({
      send: () =>
        sendHeartbeat(attendanceId, {
          visible: document.visibilityState === 'visible',
          playing: isPlaying(call),
          device_id: deviceId(),
        }),
      clock: serverClock,
      onAnswer: (answer) => {
        credited.set(answer.credited_seconds);
        sight.set(sightOf(answer));
        if (answer.prompt) prompts.open(answer.prompt);
      },
    });

  const forget = [
    events.on('prompt_opened', (prompt) => {
      serverClock.observe(prompt.server_time);
      prompts.open(prompt);
    }),
    events.on('prompt_closed', (closed) => {
      credited.set(closed.credited_seconds);
      prompts.close(closed);
    }),
    events.on('look_message', prompts.guide),
    events.on('lesson_changed', (lesson) => {
      if (lesson.id === lessonId && lesson.state === 'ended') void call.finish();
    }),
    call.state.subscribe(() => {
      const state = call.state.get();
      if (state.status === 'connected') {
        network.stop();
        const id = state.join.attendance_id;
        if (id && !heartbeat) heartbeat = beat(id);
      } else if (state.status === 'over') {
        heartbeat?.stop();
        heartbeat = undefined;
        void queryClient.invalidateQueries({ queryKey: keys.lesson(lessonId) });
      }
    }),
  ];

  return {
    call,
    preview,
    prompts,
    network: network.light,
    credited,
    sight,
    prepare: () => {
      void preview.openMicrophone();
      void preview.openCamera();
    },
    enter: async () => {
      unlockSound();
      void call.room.startAudio().catch(() => undefined);
      await call.join(preview.take);
    },
    dispose: () => {
      forget.forEach((each) => each());
      network.stop();
      heartbeat?.stop();
      preview.stop();
      void call.leave();
    },
  };
}

function sightOf({ faces, dark }: Answer): CameraSight | undefined {
  if (faces !== true) return undefined;
  return dark === true ? 'dark' : 'seen';
}

/** Whether the lesson really plays here: connected, sound allowed, no picture of it standing still. */
function isPlaying(call: Call): boolean {
  if (call.state.get().status !== 'connected' || call.soundBlocked.get()) return false;
  const pictures = document.querySelectorAll<HTMLVideoElement>('.stage video');
  return [...pictures].every((picture) => !picture.paused || picture.readyState === 0);
}
