import { expect, it } from 'vitest';
import { withChange, withMessage, withRow, withShown } from './live';
import type { Board, BoardRow, ChatMessage, Lesson, ShownRound } from './types';

const lesson: Lesson = {
  id: 'l',
  title: 'T',
  unit: { id: 'u', name: 'U', level: 5 },
  teacher: { account_id: 't', name: 'T' },
  state: 'live',
  starts_at: '2026-11-22T02:00:00Z',
  ends_at: '2026-11-22T03:00:00Z',
  learners: 1,
  my_role: 'learner',
  my_attendance_id: 'mine',
};

function row(id: string, credited: number): BoardRow {
  return {
    attendance_id: id,
    account_id: id,
    name: id,
    unit_name: '',
    presence: 'connected',
    alive: true,
    credited_seconds: credited,
    withheld_seconds: 0,
    needs_review: false,
    paused: false,
  };
}

it('a changed lesson keeps what is mine', () => {
  const changed: Lesson = { ...lesson, state: 'break', my_role: 'teacher', my_attendance_id: null };
  expect(withChange(lesson, changed)).toEqual({ ...lesson, state: 'break' });
});

it('a changed row takes its place on the board, a new one is added', () => {
  const board: Board = { lesson, server_time: '', rows: [row('a', 1), row('b', 1)] };
  const next = withRow(withRow(board, row('a', 9)), row('c', 3));
  expect(next.rows.map((each) => [each.attendance_id, each.credited_seconds])).toEqual([
    ['a', 9],
    ['b', 1],
    ['c', 3],
  ]);
});

it('learners who have not entered stay apart on the board', () => {
  const absent = (id: string): BoardRow => ({ ...row(id, 0), attendance_id: null });
  const board: Board = { lesson, server_time: '', rows: [absent('a'), absent('b')] };
  expect(withRow(board, absent('b')).rows.map((each) => each.account_id)).toEqual(['a', 'b']);
});

it('keeps a chat in order, and a message that comes again in its own place', () => {
  const message = (id: string, second: number, held: boolean): ChatMessage => ({
    id,
    lesson_id: 'l',
    account_id: 'a',
    name: 'A',
    role: 'learner',
    sent_at: `2026-11-22T02:00:0${second}Z`,
    text: id,
    reach: 'everybody',
    held,
  });
  const known = [message('one', 1, true), message('three', 3, false)];
  const chat = withMessage(withMessage(known, message('two', 2, false)), message('one', 1, false));
  expect(chat.map((each) => each.id)).toEqual(['one', 'two', 'three']);
  expect(chat[0]?.held).toBe(false);
});

it('keeps the newest rounds first, and that I voted, whatever an event to all says', () => {
  const round = (id: string, minute: number, voted: boolean): ShownRound => ({
    id,
    lesson_id: 'l',
    kind: 'poll',
    answers: 'single',
    text: id,
    options: [],
    accepted: [],
    opened_at: `2026-11-22T02:0${minute}:00Z`,
    voted,
  });
  const known = [round('one', 1, true)];
  const rounds = withShown(withShown(known, round('two', 2, false)), round('one', 1, false));
  expect(rounds.map((each) => each.id)).toEqual(['two', 'one']);
  expect(rounds[1]?.voted).toBe(true);
});
