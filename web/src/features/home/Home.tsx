import { useMutation, useQuery } from '@tanstack/react-query';
import { useLocation } from 'wouter';
import { actOnLesson, listLessons, myAttendances } from '../../api/calls';
import { client } from '../../api/client';
import { keys, queryClient } from '../../api/live';
import { useOwnFace } from '../../api/ownFace';
import type { Lesson, LessonScope, Me } from '../../api/types';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, unwrap } from '../../lib/result';
import { serverClock } from '../../lib/serverClock';
import { useStore } from '../../lib/store';
import { dayLabel, timeRange, wholeMinutes } from '../../lib/time';
import { Button, ButtonLink } from '../../ui/Button';
import { Icon } from '../../ui/Icon';
import { lessonTone } from '../../ui/lessonTone';
import { Empty, Notice, Skeleton, StateTag } from '../../ui/State';
import { tell } from '../../ui/toasts';
import { nextLesson } from './nextLesson';
import './home.css';

/** A lesson that begins or ends without an event reaching us is still found within this time. */
const REFETCH_MS = 30_000;

export default function Home() {
  const session = useStore(client.session);
  if (session.status !== 'signed_in') return null;
  return <Today me={session.me} />;
}

function useLessons(scope: LessonScope) {
  return useQuery({
    queryKey: [...keys.lessons, scope],
    queryFn: async () => unwrap(await listLessons(scope, 1, 20)),
    refetchInterval: REFETCH_MS,
  });
}

function Today({ me }: { me: Me }) {
  const { t, i18n } = useTranslation();
  const today = useLessons('today');
  const upcoming = useLessons('upcoming');
  const past = useLessons('past');
  const isLearner = me.roles.some((grant) => grant.role === 'learner');
  const lessons = today.data?.items ?? [];
  const next = nextLesson(lessons);
  const others = lessons.filter((lesson) => lesson !== next);
  return (
    <div className="page person home">
      <Greeting me={me} />
      {today.isPending && <Skeleton lines={4} label={t('app.loading')} />}
      {today.isError && <Failed error={today.error} onRetry={() => void today.refetch()} />}
      {today.isSuccess && next && <NextLesson lesson={next} />}
      {today.isSuccess && !next && <NoLesson me={me} />}
      {isLearner && <EnrolFace lessons={lessons} />}
      {isLearner && <Hours />}
      {others.length > 0 && (
        <LessonList title={t('home.today')} lessons={others} language={i18n.language} />
      )}
      <LaterAndPast upcoming={upcoming.data?.items} past={past.data?.items} />
    </div>
  );
}

function LaterAndPast(props: { upcoming?: Lesson[]; past?: Lesson[] }) {
  const { t, i18n } = useTranslation();
  return (
    <div className="home-columns">
      {props.upcoming && (
        <LessonList
          title={t('home.upcoming')}
          lessons={props.upcoming}
          none={t('home.noUpcoming')}
          language={i18n.language}
          dated
        />
      )}
      {props.past && (
        <LessonList
          title={t('home.past')}
          lessons={props.past}
          none={t('home.noPast')}
          language={i18n.language}
          dated
        />
      )}
    </div>
  );
}

function Greeting({ me }: { me: Me }) {
  const { t, i18n } = useTranslation();
  const now = new Date(serverClock.now());
  const hour = now.getHours();
  const key = hour < 12 ? 'home.morning' : hour < 18 ? 'home.afternoon' : 'home.evening';
  return (
    <div className="greeting">
      <h1>{t(key, { name: me.name })}</h1>
      <p>
        {dayLabel(now, i18n.language)}
        <span aria-hidden="true"> · </span>
        {me.unit.name}
      </p>
    </div>
  );
}

function Failed({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  return (
    <Notice
      tone="refused"
      role="alert"
      action={<Button onClick={onRetry}>{t('app.retry')}</Button>}
    >
      {problemText(problemOf(error))}
    </Notice>
  );
}

function NoLesson({ me }: { me: Me }) {
  const { t } = useTranslation();
  const arranges = me.may.includes('lessons.manage');
  return (
    <section className="card">
      <Empty
        icon="calendar"
        title={t('home.none')}
        hint={arranges ? t('home.noneStaff') : t('home.noneLearner')}
        action={
          arranges && (
            <ButtonLink to="/desk/lessons?new=1" look="primary">
              {t('home.arrange')}
            </ButtonLink>
          )
        }
      />
    </section>
  );
}

function NextLesson({ lesson }: { lesson: Lesson }) {
  const { t, i18n } = useTranslation();
  const isOn = lesson.state === 'live' || lesson.state === 'break';
  return (
    <section
      className={isOn ? 'next next-on' : 'next'}
      data-testid="lesson-card"
      data-lesson={lesson.id}
    >
      <div className="next-words">
        <p className="next-label">{isOn ? t('home.now') : t('home.next')}</p>
        <h2>{lesson.title}</h2>
        <p className="next-facts">
          <span className="figures">
            <Icon name="clock" size={18} />
            {timeRange(lesson.starts_at, lesson.ends_at, i18n.language)}
          </span>
          <span>
            <Icon name="user" size={18} />
            {lesson.teacher?.name ?? t('home.noTeacher')}
          </span>
          <span>
            <Icon name="people" size={18} />
            {t('home.learners', { n: lesson.learners })}
          </span>
          {lesson.face_checks === true && (
            <span>
              <Icon name="face" size={18} />
              {t('faceLink.checks')}
            </span>
          )}
        </p>
        <p className="next-when">
          <When lesson={lesson} />
        </p>
      </div>
      <NextStep lesson={lesson} />
    </section>
  );
}

function When({ lesson }: { lesson: Lesson }) {
  const { t } = useTranslation();
  if (lesson.state !== 'scheduled') return t(`lessonState.${lesson.state}`);
  const minutes = Math.ceil((Date.parse(lesson.starts_at) - serverClock.now()) / 60_000);
  if (minutes > 1) return t('home.startsIn', { n: minutes });
  if (minutes > 0) return t('home.startsSoon');
  return t(lesson.my_role === 'teacher' ? 'home.overdueTeacher' : 'home.overdue');
}

/** The one thing to do: enter, start, or look at the devices before the lesson. */
function NextStep({ lesson }: { lesson: Lesson }) {
  const { t } = useTranslation();
  const to = `/lessons/${lesson.id}`;
  const teaches = lesson.my_role === 'teacher';
  const start = useStart(lesson);
  if (lesson.state === 'scheduled' && teaches) {
    return (
      <Button
        look="primary"
        size="large"
        icon="play"
        busy={start.isPending}
        data-testid="lesson-start"
        onClick={() => start.mutate()}
      >
        {t('home.start')}
      </Button>
    );
  }
  return (
    <ButtonLink
      to={to}
      look="primary"
      size="large"
      icon={lesson.state === 'scheduled' ? 'camera' : 'right'}
      data-testid="lesson-join"
    >
      {lesson.state === 'scheduled' ? t('home.prepare') : t('home.join')}
    </ButtonLink>
  );
}

function useStart(lesson: Lesson) {
  const [, navigate] = useLocation();
  const problemText = useProblemText();
  return useMutation({
    mutationFn: async () => unwrap(await actOnLesson(lesson.id, 'start')),
    onSuccess: (started) => {
      queryClient.setQueryData(keys.lesson(lesson.id), started);
      void queryClient.invalidateQueries({ queryKey: keys.lessons });
      navigate(`/lessons/${lesson.id}`);
    },
    onError: (error) => tell('refused', problemText(problemOf(error))),
  });
}

/** Before a lesson that checks faces, whoever is not known yet is shown the way. */
function EnrolFace({ lessons }: { lessons: Lesson[] }) {
  const { t } = useTranslation();
  const ahead = lessons.find(
    (lesson) =>
      lesson.face_checks === true &&
      lesson.my_role === 'learner' &&
      lesson.state !== 'ended' &&
      lesson.state !== 'cancelled',
  );
  const { data } = useOwnFace({ enabled: ahead !== undefined });
  if (!ahead || !data || data.mode === 'evidence_only') return null;
  if (data.stage === 'approved' && !data.outdated) return null;
  if (data.stage === 'proposed') return <Notice tone="waiting">{t('faceLink.waiting')}</Notice>;
  return (
    <section className="card hours" data-testid="home-face">
      <div>
        <h2 className="enrol-title">{t('faceLink.title')}</h2>
        <p className="hint">{t('faceLink.text', { title: ahead.title })}</p>
      </div>
      <ButtonLink to="/face" look="primary">
        {t('faceLink.action')}
      </ButtonLink>
    </section>
  );
}

function Hours() {
  const { t } = useTranslation();
  const record = useQuery({
    queryKey: [...keys.attendances, 1],
    queryFn: async () => unwrap(await myAttendances(1)),
  });
  return (
    <section className="card hours">
      <div>
        <p className="hint">{t('home.hours')}</p>
        <p className="hours-figure figures">
          {t('home.minutes', { n: wholeMinutes(record.data?.credited_seconds_total ?? 0) })}
        </p>
      </div>
      <ButtonLink to="/record">{t('home.seeRecord')}</ButtonLink>
    </section>
  );
}

function LessonList(props: {
  title: string;
  lessons: Lesson[];
  none?: string;
  language: string;
  dated?: boolean;
}) {
  const { t } = useTranslation();
  return (
    <section className="card lesson-list">
      <h2>{props.title}</h2>
      {props.lessons.length === 0 && <p className="hint">{props.none}</p>}
      <ul>
        {props.lessons.map((lesson) => (
          <li key={lesson.id} data-testid="lesson-card" data-lesson={lesson.id}>
            <div className="lesson-words">
              <strong>{lesson.title}</strong>
              <span className="hint figures">
                {props.dated === true && `${dayLabel(lesson.starts_at, props.language)} `}
                {timeRange(lesson.starts_at, lesson.ends_at, props.language)}
                <span aria-hidden="true"> · </span>
                {lesson.teacher?.name ?? t('home.noTeacher')}
              </span>
            </div>
            <LessonEnd lesson={lesson} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function LessonEnd({ lesson }: { lesson: Lesson }) {
  const { t } = useTranslation();
  if (lesson.state === 'ended' && lesson.my_attendance_id) {
    return (
      <ButtonLink to={`/record?open=${lesson.my_attendance_id}`} look="plain">
        {t('home.record')}
      </ButtonLink>
    );
  }
  if (lesson.state === 'live' || lesson.state === 'break') {
    return (
      <ButtonLink to={`/lessons/${lesson.id}`} look="primary" data-testid="lesson-join">
        {t('home.join')}
      </ButtonLink>
    );
  }
  return <StateTag tone={lessonTone(lesson.state)}>{t(`lessonState.${lesson.state}`)}</StateTag>;
}
