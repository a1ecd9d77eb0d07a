import { useQuery } from '@tanstack/react-query';
import { myCourses } from '../../api/library';
import { keys } from '../../api/live';
import type { MyCourse, MyCourseLesson } from '../../api/types';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, unwrap } from '../../lib/result';
import { wholeMinutes } from '../../lib/time';
import { Button, ButtonLink } from '../../ui/Button';
import { Icon } from '../../ui/Icon';
import { Empty, Notice, Skeleton, StateTag } from '../../ui/State';
import { shareWatched } from './progress';
import './study.css';

/** The courses of a learner, with how far each lesson is. */
export default function MyCourses() {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const courses = useQuery({
    queryKey: keys.myCourses,
    queryFn: async () => unwrap(await myCourses()).items,
    // How far one is changes with every minute watched.
    staleTime: 0,
  });
  return (
    <div className="page person study" data-testid="my-courses">
      <header className="study-head">
        <h1>{t('study.title')}</h1>
        <p className="hint">{t('study.lead')}</p>
      </header>
      {courses.isPending && <Skeleton lines={5} label={t('app.loading')} />}
      {courses.isError && (
        <Notice
          tone="refused"
          role="alert"
          action={<Button onClick={() => void courses.refetch()}>{t('app.retry')}</Button>}
        >
          {problemText(problemOf(courses.error))}
        </Notice>
      )}
      {courses.data?.length === 0 && (
        <section className="card">
          <Empty icon="film" title={t('study.empty')} hint={t('study.emptyHint')} />
        </section>
      )}
      {courses.data?.map((course) => (
        <Course key={course.id} course={course} />
      ))}
      {courses.data && courses.data.length > 0 && (
        <p className="hint study-note">{t('study.creditNote')}</p>
      )}
    </div>
  );
}

function Course({ course }: { course: MyCourse }) {
  const { t, i18n } = useTranslation();
  const listed = new Intl.ListFormat(i18n.language);
  const waits = course.waits_for.length > 0;
  return (
    <section className="card study-course" data-testid="my-course">
      <div className="study-title">
        <div>
          <h2>{course.title}</h2>
          <p className="hint">{t('study.from', { unit: course.unit_name })}</p>
        </div>
        <CourseState course={course} />
      </div>
      {course.about !== '' && <p className="study-about">{course.about}</p>}
      {waits && (
        <Notice tone="attention">
          {t('study.waitsFor', { titles: listed.format(course.waits_for) })}
        </Notice>
      )}
      <Progress course={course} />
      {course.chapters.map((chapter, index) => (
        <div key={index} className="study-chapter">
          <h3>{chapter.title}</h3>
          <ul>
            {chapter.lessons.map((lesson) => (
              <Lesson key={lesson.id} lesson={lesson} waits={waits} />
            ))}
          </ul>
        </div>
      ))}
    </section>
  );
}

function CourseState({ course }: { course: MyCourse }) {
  const { t } = useTranslation();
  if (course.complete) return <StateTag tone="ok">{t('study.complete')}</StateTag>;
  if (course.waits_for.length > 0) {
    return <StateTag tone="attention">{t('study.waits')}</StateTag>;
  }
  if (course.watched_s > 0) return <StateTag tone="waiting">{t('study.going')}</StateTag>;
  return <StateTag tone="neutral">{t('study.notBegun')}</StateTag>;
}

function Progress({ course }: { course: MyCourse }) {
  const { t } = useTranslation();
  const byHours = course.required_s > 0;
  const share = byHours
    ? course.watched_s / course.required_s
    : course.lessons === 0
      ? 0
      : course.lessons_finished / course.lessons;
  const text = byHours
    ? t('study.watchedOf', {
        n: wholeMinutes(course.watched_s),
        of: wholeMinutes(course.required_s),
      })
    : t('study.lessonsDone', { n: course.lessons_finished, of: course.lessons });
  return (
    <div className="study-progress">
      <Bar share={share} label={text} />
      <span className="figures">{text}</span>
    </div>
  );
}

function Bar({ share, label }: { share: number; label: string }) {
  const percent = Math.round(Math.min(1, share) * 100);
  return (
    <span
      className="study-bar"
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
    >
      <span style={{ width: `${percent}%` }} />
    </span>
  );
}

function Lesson({ lesson, waits }: { lesson: MyCourseLesson; waits: boolean }) {
  const { t } = useTranslation();
  const begun = lesson.watched_ms > 0;
  const step = lesson.finished ? 'study.again' : begun ? 'study.goOn' : 'study.begin';
  return (
    <li data-testid="my-lesson" data-lesson={lesson.id}>
      <div className="study-words">
        <strong>{lesson.title}</strong>
        <span className="hint figures">
          {lesson.ready
            ? t('study.minutes', { n: Math.max(1, Math.round(lesson.duration_ms / 60_000)) })
            : t('study.preparing')}
          {lesson.ready && !lesson.picture && ` · ${t('study.soundOnly')}`}
          {begun && !lesson.finished && (
            <> · {t('study.watched', { n: wholeMinutes(lesson.watched_ms / 1000) })}</>
          )}
        </span>
        {begun && !lesson.finished && <Bar share={shareWatched(lesson)} label={lesson.title} />}
      </div>
      {lesson.finished && (
        <span className="study-done">
          <Icon name="check" size={18} />
          {t('study.finished')}
        </span>
      )}
      {lesson.ready && !waits && (
        <ButtonLink
          to={`/study/${lesson.id}`}
          look={lesson.finished ? 'quiet' : 'primary'}
          data-testid="lesson-watch"
        >
          {t(step)}
        </ButtonLink>
      )}
    </li>
  );
}
