import type { Client } from './client';
import type { FaceCapture, LookMessage, OwnFace } from './faces';
import type {
  AttendanceSummary,
  BoardRow,
  ChatMessage,
  Film,
  Lesson,
  Prompt,
  PromptClosed,
  ShownRound,
  StaffRound,
} from './types';

/** What the server pushes, by kind. */
export interface ServerEvents {
  prompt_opened: Prompt;
  prompt_closed: PromptClosed;
  attendance_changed: AttendanceSummary;
  lesson_changed: Lesson;
  board_changed: { lesson_id: string; row: BoardRow };
  chat_message: ChatMessage;
  round_changed: StaffRound;
  round_shown: ShownRound;
  look_message: LookMessage;
  face_capture: FaceCapture;
  face_changed: OwnFace;
  redress_changed: { attendance_id: string };
  film_changed: Film;
  courses_changed: Record<string, never>;
  reset: Record<string, never>;
}

export type EventKind = keyof ServerEvents;

const KINDS: EventKind[] = [
  'prompt_opened',
  'prompt_closed',
  'attendance_changed',
  'lesson_changed',
  'board_changed',
  'chat_message',
  'round_changed',
  'round_shown',
  'look_message',
  'face_capture',
  'face_changed',
  'redress_changed',
  'film_changed',
  'courses_changed',
  'reset',
];

type Handler<K extends EventKind> = (data: ServerEvents[K]) => void;

export interface EventStream {
  on: <K extends EventKind>(kind: K, handler: Handler<K>) => () => void;
  start: () => void;
  stop: () => void;
}

/** Waits between attempts to reopen the stream; the last one repeats. */
const RETRY_MS = [500, 1000, 2000, 5000, 10_000];

/**
 * The event stream with resume. The browser's own retry keeps the old access token, so every
 * reopening is ours: with the newest token, and with the last id in the query.
 */
export function createEventStream(
  client: Pick<Client, 'accessToken' | 'refresh' | 'onToken'>,
  open: (url: string) => EventSource = (url) => new EventSource(url),
): EventStream {
  const handlers = new Map<EventKind, Set<(data: never) => void>>();
  let source: EventSource | undefined;
  let lastEventId = '';
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running = false;
  let forgetToken: (() => void) | undefined;

  const close = () => {
    clearTimeout(timer);
    source?.close();
    source = undefined;
  };

  const receive = (kind: EventKind, event: MessageEvent<string>) => {
    if (event.lastEventId !== '') lastEventId = event.lastEventId;
    failures = 0;
    try {
      const data = JSON.parse(event.data) as never;
      handlers.get(kind)?.forEach((handler) => handler(data));
    } catch {
      // A malformed event is dropped: the heartbeat and the next reload carry the same facts.
    }
  };

  const connect = () => {
    close();
    const token = client.accessToken();
    if (!running || token === undefined) return;
    const query = new URLSearchParams({ access_token: token });
    if (lastEventId !== '') query.set('last_event_id', lastEventId);
    const opened = open(`/api/events?${query.toString()}`);
    source = opened;
    for (const kind of KINDS) {
      opened.addEventListener(kind, (event) => receive(kind, event as MessageEvent<string>));
    }
    opened.onopen = () => {
      failures = 0;
    };
    opened.onerror = () => {
      if (source !== opened) return;
      close();
      const wait = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)];
      failures += 1;
      // A stream that will not open may mean an expired token; a renewal reopens by itself.
      timer = setTimeout(() => {
        if (failures > 1) void client.refresh().then((result) => result.ok || connect());
        else connect();
      }, wait);
    };
  };

  return {
    on: (kind, handler) => {
      const set = handlers.get(kind) ?? new Set();
      set.add(handler);
      handlers.set(kind, set);
      return () => set.delete(handler);
    },
    start: () => {
      if (running) return;
      running = true;
      forgetToken = client.onToken(connect);
      connect();
    },
    stop: () => {
      running = false;
      forgetToken?.();
      lastEventId = '';
      close();
    },
  };
}
