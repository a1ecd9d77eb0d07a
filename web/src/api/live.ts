import { QueryClient } from '@tanstack/react-query';
import { client } from './client';
import { createEventStream } from './events';
import type { Board, BoardRow, ChatMessage, Lesson, Round, ShownRound, StaffRound } from './types';

export const events = createEventStream(client);

export const queryClient = new QueryClient({
  defaultOptions: { queries: { retry: 1, staleTime: 10_000, refetchOnWindowFocus: true } },
});

/** Query keys, in one place so that events and views speak of the same data. */
export const keys = {
  server: ['server'] as const,
  lessons: ['lessons'] as const,
  lesson: (id: string) => ['lesson', id] as const,
  board: (id: string) => ['board', id] as const,
  chat: (id: string) => ['chat', id] as const,
  rounds: (id: string) => ['rounds', id] as const,
  shownRounds: (id: string) => ['rounds', id, 'shown'] as const,
  attendances: ['attendances'] as const,
  attendance: (id: string) => ['attendance', id] as const,
  units: ['units'] as const,
  people: ['people'] as const,
  questions: ['questions'] as const,
  films: ['films'] as const,
  courses: ['courses'] as const,
  myCourses: ['my-courses'] as const,
  audit: ['audit'] as const,
  ownFace: ['own-face'] as const,
  faces: ['faces'] as const,
  reviews: ['reviews'] as const,
  appeals: ['appeals'] as const,
  recordings: ['recordings'] as const,
  recording: (id: string) => ['recordings', id] as const,
};

/** Puts a changed row into the board; a row nobody knew is added. */
export function withRow(board: Board, row: BoardRow): Board {
  const known = board.rows.some((each) => each.account_id === row.account_id);
  const rows = known
    ? board.rows.map((each) => (each.account_id === row.account_id ? row : each))
    : [...board.rows, row];
  return { ...board, rows };
}

/** Puts a message into a chat, or in the place of what was known of it; oldest first. */
export function withMessage(known: ChatMessage[], message: ChatMessage): ChatMessage[] {
  const others = known.filter((each) => each.id !== message.id);
  const order = (a: ChatMessage, b: ChatMessage) =>
    a.sent_at.localeCompare(b.sent_at) || a.id.localeCompare(b.id);
  return [...others, message].sort(order);
}

/** Rounds that a page remembers; the server tells as many. */
const ROUNDS_MAX = 20;

/** Puts a round into a list, or in the place of what was known of it; newest first. */
export function withRound<T extends Round>(known: T[], round: T): T[] {
  const others = known.filter((each) => each.id !== round.id);
  const order = (a: T, b: T) => b.opened_at.localeCompare(a.opened_at);
  return [...others, round].sort(order).slice(0, ROUNDS_MAX);
}

/** The same for what learners see; an event goes to everybody, so what is mine stays. */
export function withShown(known: ShownRound[], round: ShownRound): ShownRound[] {
  const before = known.find((each) => each.id === round.id);
  return withRound(known, { ...round, voted: round.voted || before?.voted === true });
}

/**
 * A lesson as an event tells it. The event goes to everybody of the lesson, so what is mine
 * (role, attendance) stays as my own request told it.
 */
export function withChange(mine: Lesson, changed: Lesson): Lesson {
  return {
    ...changed,
    my_role: mine.my_role,
    my_attendance_id: mine.my_attendance_id ?? changed.my_attendance_id,
  };
}

/** Signed in: the stream runs and keeps the query cache fresh. Signed out: nothing remains. */
export function startLiveUpdates(): void {
  events.on('lesson_changed', (lesson) => {
    queryClient.setQueryData<Lesson>(keys.lesson(lesson.id), (mine) =>
      mine ? withChange(mine, lesson) : undefined,
    );
    void queryClient.invalidateQueries({ queryKey: keys.lessons });
  });
  events.on('board_changed', ({ lesson_id, row }) => {
    queryClient.setQueryData<Board>(keys.board(lesson_id), (board) =>
      board ? withRow(board, row) : undefined,
    );
  });
  events.on('chat_message', (message) => {
    queryClient.setQueryData<ChatMessage[]>(keys.chat(message.lesson_id), (known) =>
      known ? withMessage(known, message) : undefined,
    );
  });
  events.on('round_changed', (round) => {
    queryClient.setQueryData<StaffRound[]>(keys.rounds(round.lesson_id), (known) =>
      known ? withRound(known, round) : undefined,
    );
  });
  events.on('round_shown', (round) => {
    queryClient.setQueryData<ShownRound[]>(keys.shownRounds(round.lesson_id), (known) =>
      known ? withShown(known, round) : undefined,
    );
  });
  events.on('attendance_changed', (summary) => {
    void queryClient.invalidateQueries({ queryKey: keys.attendances });
    void queryClient.invalidateQueries({ queryKey: keys.attendance(summary.id) });
  });
  events.on('redress_changed', ({ attendance_id }) => {
    void queryClient.invalidateQueries({ queryKey: keys.attendance(attendance_id) });
  });
  events.on('face_changed', (face) => queryClient.setQueryData(keys.ownFace, face));
  events.on('film_changed', () => {
    void queryClient.invalidateQueries({ queryKey: keys.films });
  });
  events.on('courses_changed', () => {
    void queryClient.invalidateQueries({ queryKey: keys.myCourses });
  });
  events.on('reset', () => void queryClient.invalidateQueries());

  let account: string | undefined;
  client.session.subscribe(() => {
    const state = client.session.get();
    const next = state.status === 'signed_in' ? state.me.account_id : undefined;
    if (next === account) return;
    account = next;
    events.stop();
    queryClient.clear();
    if (next !== undefined) events.start();
  });
}
