import type { Lesson } from '../../api/types';

/** The lesson to act on now: one that runs, else the earliest that is still to come. */
export function nextLesson(lessons: Lesson[]): Lesson | undefined {
  const byStart = [...lessons].sort((a, b) => a.starts_at.localeCompare(b.starts_at));
  return (
    byStart.find((lesson) => lesson.state === 'live' || lesson.state === 'break') ??
    byStart.find((lesson) => lesson.state === 'scheduled')
  );
}
