import { expect, test } from 'vitest';
import type { MyCourse, MyCourseLesson } from '../../api/types';
import { reachMs } from './playback';
import { lessonAfter, shareWatched } from './progress';

const lesson = (id: string, more: Partial<MyCourseLesson> = {}): MyCourseLesson => ({
  id,
  title: id,
  ready: true,
  duration_ms: 60_000,
  picture: true,
  watched_ms: 0,
  finished: false,
  ...more,
});

const course = (lessons: MyCourseLesson[]): MyCourse => ({
  id: 'c',
  title: 'c',
  about: '',
  unit_name: 'u',
  required_s: 0,
  watched_s: 0,
  lessons_finished: 0,
  lessons: lessons.length,
  complete: false,
  waits_for: [],
  chapters: [{ title: '1', lessons }],
});

test('the next lesson is one of the same course that can be played and is not finished', () => {
  const courses = [
    course([lesson('other')]),
    course([
      lesson('a'),
      lesson('b', { finished: true }),
      lesson('c', { ready: false }),
      lesson('d'),
    ]),
  ];
  expect(lessonAfter(courses, 'a')?.id).toBe('d');
  expect(lessonAfter(courses, 'd')).toBeUndefined();
  expect(lessonAfter(courses, 'nowhere')).toBeUndefined();
});

test('a lesson is watched as far as the server says', () => {
  expect(shareWatched(lesson('a', { watched_ms: 15_000 }))).toBe(0.25);
  expect(shareWatched(lesson('a', { watched_ms: 59_000, finished: true }))).toBe(1);
  expect(shareWatched(lesson('a', { duration_ms: 0 }))).toBe(0);
});

test('one moves within what was watched, or came to by playing', () => {
  expect(reachMs(10_000, 12_000)).toBe(12_000);
  expect(reachMs(30_000, 12_000)).toBe(30_000);
});
