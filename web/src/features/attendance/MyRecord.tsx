import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useSearchParams } from 'wouter';
import { getAttendance, myAttendances } from '../../api/calls';
import { keys } from '../../api/live';
import type { AttendanceSummary } from '../../api/types';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { downloadCsv } from '../../lib/csv';
import { problemOf, unwrap } from '../../lib/result';
import { clockTime, dateTime, dayLabel, wholeMinutes } from '../../lib/time';
import type { Stretch } from '../../lib/timeline';
import { AttendanceDetail } from '../../ui/AttendanceDetail';
import { Button, ButtonLink } from '../../ui/Button';
import { Icon } from '../../ui/Icon';
import { Empty, Notice, Skeleton, StateTag, type Tone } from '../../ui/State';
import { AppealDialog, mayAppeal, RedressSection } from './Redress';
import './record.css';

const STATE_TONE: Record<AttendanceSummary['state'], Tone> = {
  open: 'waiting',
  closed: 'ok',
  needs_review: 'attention',
};

/** What the learner has earned, lesson by lesson, with the reasons for what was withheld. */
export default function MyRecord() {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const record = useInfiniteQuery({
    queryKey: keys.attendances,
    queryFn: async ({ pageParam }) => unwrap(await myAttendances(pageParam)),
    initialPageParam: 1,
    getNextPageParam: (last, pages) => {
      const loaded = pages.reduce((sum, page) => sum + page.items.length, 0);
      return last.items.length > 0 && loaded < last.total ? pages.length + 1 : undefined;
    },
  });
  if (record.isPending) {
    return (
      <div className="page person">
        <Skeleton lines={5} label={t('app.loading')} />
      </div>
    );
  }
  if (!record.data) {
    return (
      <div className="page person">
        <Notice
          tone="refused"
          role="alert"
          action={<Button onClick={() => void record.refetch()}>{t('app.retry')}</Button>}
        >
          {problemText(problemOf(record.error))}
        </Notice>
      </div>
    );
  }
  const items = record.data.pages.flatMap((page) => page.items);
  return (
    <div className="page person record" data-testid="my-record">
      <Totals items={items} creditedSeconds={record.data.pages[0]?.credited_seconds_total ?? 0} />
      {items.length === 0 ? (
        <section className="card">
          <Empty
            icon="book"
            title={t('record.empty')}
            hint={t('record.emptyHint')}
            action={
              <ButtonLink to="/" look="primary">
                {t('app.today')}
              </ButtonLink>
            }
          />
        </section>
      ) : (
        <ul className="record-list">
          {items.map((item) => (
            <Lesson key={item.id} item={item} />
          ))}
        </ul>
      )}
      {record.hasNextPage && (
        <Button busy={record.isFetchingNextPage} onClick={() => void record.fetchNextPage()}>
          {t('record.more')}
        </Button>
      )}
    </div>
  );
}

function Totals(props: { items: AttendanceSummary[]; creditedSeconds: number }) {
  const { t, i18n } = useTranslation();
  const withheld = props.items.reduce((sum, item) => sum + item.withheld_seconds, 0);
  const exportAll = () =>
    downloadCsv(
      t('record.title'),
      [t('record.lesson'), t('record.starts'), t('record.credited'), t('record.withheld')],
      props.items.map((item) => [
        item.lesson.title,
        dateTime(item.lesson.starts_at, i18n.language),
        wholeMinutes(item.credited_seconds),
        wholeMinutes(item.withheld_seconds),
      ]),
    );
  return (
    <header className="record-head">
      <div className="record-title">
        <h1>{t('record.title')}</h1>
        {props.items.length > 0 && (
          <Button icon="download" onClick={exportAll}>
            {t('record.export')}
          </Button>
        )}
      </div>
      <dl className="record-totals">
        <div className="card">
          <dt>{t('record.total')}</dt>
          <dd className="figures record-credited">
            {t('home.minutes', { n: wholeMinutes(props.creditedSeconds) })}
          </dd>
        </div>
        <div className="card">
          <dt>{t('record.withheldTotal')}</dt>
          <dd className="figures">{t('home.minutes', { n: wholeMinutes(withheld) })}</dd>
        </div>
      </dl>
    </header>
  );
}

function Lesson({ item }: { item: AttendanceSummary }) {
  const { t, i18n } = useTranslation();
  const [search, setSearch] = useSearchParams();
  const isOpen = search.get('open') === item.id;
  const stateText = {
    open: t('record.stateOpen'),
    closed: t('record.stateClosed'),
    needs_review: t('record.stateReview'),
  }[item.state];
  return (
    <li className="card record-lesson" data-testid="record-lesson" data-attendance={item.id}>
      <button
        type="button"
        className="record-summary"
        aria-expanded={isOpen}
        onClick={() => setSearch(isOpen ? {} : { open: item.id }, { replace: true })}
      >
        <span className="record-words">
          <strong>{item.lesson.title}</strong>
          <span className="hint figures">
            {dayLabel(item.lesson.starts_at, i18n.language)}{' '}
            {clockTime(item.lesson.starts_at, i18n.language)}
          </span>
        </span>
        <span className="record-minutes figures">
          <span className="record-credited">
            {t('record.creditedMinutes', { n: wholeMinutes(item.credited_seconds) })}
          </span>
          {item.withheld_seconds > 0 && (
            <span className="record-withheld">
              {t('record.withheldMinutes', { n: wholeMinutes(item.withheld_seconds) })}
            </span>
          )}
        </span>
        <StateTag tone={STATE_TONE[item.state]}>{stateText}</StateTag>
        <span className={isOpen ? 'record-turn record-turned' : 'record-turn'}>
          <Icon name="down" />
        </span>
      </button>
      {isOpen && <Detail id={item.id} />}
    </li>
  );
}

function Detail({ id }: { id: string }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const [appealed, setAppealed] = useState<Stretch>();
  const [now] = useState(() => Date.now());
  const attendance = useQuery({
    queryKey: keys.attendance(id),
    queryFn: async () => unwrap(await getAttendance(id)),
  });
  if (attendance.isPending) return <Skeleton label={t('app.loading')} />;
  if (!attendance.data) {
    return (
      <Notice tone="refused" role="alert">
        {problemText(problemOf(attendance.error))}
      </Notice>
    );
  }
  return (
    <div className="record-detail">
      <AttendanceDetail
        attendance={attendance.data}
        onAppeal={mayAppeal(attendance.data, now) ? setAppealed : undefined}
      />
      <RedressSection attendance={attendance.data} now={now} />
      {appealed && (
        <AppealDialog attendanceId={id} stretch={appealed} onClose={() => setAppealed(undefined)} />
      )}
    </div>
  );
}
