import type { MyCourse, MyCourseLesson } from '../../api/types';

/** The part of a lesson that was watched, 0 to 1. */
export function shareWatched(lesson: MyCourseLesson): number {
  if (lesson.finished) return 1;
  return lesson.duration_ms === 0 ? 0 : Math.min(1, lesson.watched_ms / lesson.duration_ms);
}

/** The lesson after this one in its course that can be played and is not finished. */
export function lessonAfter(courses: MyCourse[], id: string): MyCourseLesson | undefined {
  for (const course of courses) {
    const lessons = course.chapters.flatMap((chapter) => chapter.lessons);
    const place = lessons.findIndex((lesson) => lesson.id === id);
    if (place >= 0) {
      return lessons.slice(place + 1).find((lesson) => lesson.ready && !lesson.finished);
    }
  }
  return undefined;
}
