// The classroom with simulated participants of livekit-client, for pictures only.
import { QueryClientProvider } from '@tanstack/react-query';
import { Room as Media } from 'livekit-client';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import { client } from '/src/api/client.ts';
import { queryClient } from '/src/api/live.ts';
import { createPrompts } from '/src/call/prompts.ts';
import Room from '/src/features/classroom/Room.tsx';
import { startTexts } from '/src/i18n/index.ts';
import { createStore } from '/src/lib/store.ts';
import { startAppearance } from '/src/ui/appearance.ts';
import { Toasts } from '/src/ui/toasts.tsx';
import '/src/ui/base.css';
import '/src/ui/controls.css';
import '/src/ui/parts.css';
import * as data from './data.mjs';

// Browsers let no page make a receiver; the simulation needs only something in its place.
window.RTCRtpReceiver = function Receiver() {};

const query = new URLSearchParams(location.search);
const isTeacher = query.get('as') === 'teacher';
const media = new Media({ adaptiveStream: true, dynacast: true });
startAppearance();
await startTexts();
await client.refresh();

await media.simulateParticipants({
  publish: { video: true, audio: true, useRealTracks: true },
  participants: { count: Number(query.get('count') ?? 7), video: true, audio: true },
});
const names = data.persons.map((person) => person.name);
const others = [...media.remoteParticipants.values()];
Object.assign(media.localParticipant, {
  name: isTeacher ? '周文静' : names[0],
  _attributes: isTeacher ? { role: 'teacher' } : {},
});
others.forEach((participant, index) =>
  Object.assign(participant, {
    name: !isTeacher && index === 0 ? '周文静' : names[(index + 1) % names.length],
    _attributes:
      !isTeacher && index === 0
        ? { role: 'teacher' }
        : index === 2
          ? { hand: '1' }
          : index === 4
            ? { floor: '1' }
            : {},
  }),
);
const state = createStore({
  status: query.get('state') ?? 'connected',
  join: { attendance_id: 't1', identity: media.localParticipant.identity },
});
const call = {
  room: media,
  state,
  soundBlocked: createStore(false),
  deviceTrouble: createStore(undefined),
  join: async () => undefined,
  leave: async () => undefined,
  finish: async () => undefined,
  toggle: async () => undefined,
};
const prompts = createPrompts({
  now: () => Date.now(),
  answer: async () => ({ ok: true, value: { outcome: 'passed', attempts_left: 0 } }),
  renew: () => undefined,
});
const visit = { call, prompts, credited: createStore(isTeacher ? undefined : 1080) };
const lesson = data.lesson({
  my_role: isTeacher ? 'teacher' : 'learner',
  state: query.get('lesson') ?? 'live',
});
createRoot(document.getElementById('root')).render(
  createElement(
    QueryClientProvider,
    { client: queryClient },
    createElement(Room, { visit, lesson, join: state.get().join }),
    createElement(Toasts),
  ),
);
const kind = query.get('prompt');
if (kind) prompts.open(data.prompt(kind));
if (query.get('result')) {
  prompts.open(data.prompt('presence'));
  prompts.close({ check_id: 'check-presence', outcome: query.get('result') });
}
