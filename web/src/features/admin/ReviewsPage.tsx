import { useQuery } from '@tanstack/react-query';
import { App, Button, Pagination } from 'antd';
import { useEffect, useRef } from 'react';
import {
  listReviews,
  picturePath,
  portraitPath,
  ruleCheck,
  type Review,
  type ReviewedCheck,
  type Ruling,
} from '../../api/faces';
import { keys } from '../../api/live';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, unwrap } from '../../lib/result';
import { clockTimeExact, dateTime, dateTimeExact } from '../../lib/time';
import { OutcomeText } from '../../ui/AttendanceDetail';
import { outcomeTone } from '../../ui/lessonTone';
import { Empty, Notice, Skeleton, StateTag } from '../../ui/State';
import { PAGE_SIZE, pageOf, usePages } from './DeskTable';
import { PageHead } from './PageHead';
import { SealedPicture } from './SealedPicture';
import { useChange } from './queries';
import { useFilters } from './useFilters';
import './faces.css';

const REFETCH_MS = 30_000;

/** The reviewer's desk: what the machine could not settle, one person and lesson at a time. */
export function ReviewsPage() {
  const { t } = useTranslation();
  const { get } = useFilters();
  const problemText = useProblemText();
  const page = pageOf(get('page'));
  const reviews = useQuery({
    queryKey: [...keys.reviews, page],
    queryFn: async () => unwrap(await listReviews(page, PAGE_SIZE)),
    placeholderData: (before) => before,
    refetchInterval: REFETCH_MS,
  });
  const items = reviews.data?.items ?? [];
  const chosen = items.find((review) => review.attendance_id === get('case')) ?? items[0];
  return (
    <>
      <PageHead title={t('reviews.title')}>
        <p className="desk-lead">{t('reviews.lead')}</p>
      </PageHead>
      {reviews.isPending && <Skeleton lines={5} label={t('app.loading')} />}
      {reviews.isError && (
        <div className="desk-failed">
          <Notice
            tone="refused"
            role="alert"
            action={<Button onClick={() => void reviews.refetch()}>{t('app.retry')}</Button>}
          >
            {problemText(problemOf(reviews.error))}
          </Notice>
        </div>
      )}
      {reviews.isSuccess && !chosen && (
        <div className="desk-panel" data-testid="reviews-empty">
          <Empty icon="check" title={t('reviews.empty')} hint={t('reviews.emptyHint')} />
        </div>
      )}
      {chosen && (
        <div className="reviews">
          <Queue items={items} chosen={chosen} total={reviews.data?.total} />
          <Case key={chosen.attendance_id} review={chosen} />
        </div>
      )}
    </>
  );
}

function Queue(props: { items: Review[]; chosen: Review; total: number | undefined }) {
  const { t, i18n } = useTranslation();
  const { set } = useFilters();
  const pages = usePages(props.total);
  return (
    <nav className="review-queue" aria-label={t('reviews.queue')}>
      <h2>{t('reviews.queue')}</h2>
      <ul>
        {props.items.map((review) => (
          <li key={review.attendance_id}>
            <button
              type="button"
              aria-current={review === props.chosen ? 'true' : undefined}
              data-testid="review-item"
              data-attendance={review.attendance_id}
              onClick={() => set({ case: review.attendance_id })}
            >
              <strong>{review.name}</strong>
              <span className="review-count figures">
                {t('reviews.count', { n: review.checks.length })}
              </span>
              <span className="hint">{review.lesson.title}</span>
              <span className="hint figures">
                {dateTime(review.lesson.starts_at, i18n.language)}
              </span>
            </button>
          </li>
        ))}
      </ul>
      <Pagination {...pages} simple hideOnSinglePage />
    </nav>
  );
}

function Case({ review }: { review: Review }) {
  const { t, i18n } = useTranslation();
  const { name, checks } = review;
  const focusNext = useFocusOnNext(checks);
  return (
    <section className="review" data-testid="review" aria-label={name}>
      <header className="review-head">
        <div>
          <h2>{name}</h2>
          <p className="hint">
            {review.unit_name}
            <span aria-hidden="true"> · </span>
            {review.lesson.title}
            <span aria-hidden="true"> · </span>
            <span className="figures">{dateTime(review.lesson.starts_at, i18n.language)}</span>
          </p>
        </div>
        <p className="hint review-keys">{t('reviews.keys')}</p>
      </header>
      {review.not_yours && (
        <Notice tone="attention" title={t('reviews.notYours')}>
          {t('reviews.notYoursText')}
        </Notice>
      )}
      <ol className="review-checks" ref={focusNext}>
        {checks.map((check, index) => (
          <li key={check.id} className="review-check" data-testid="review-check" data-id={check.id}>
            <h3 tabIndex={-1}>{t('reviews.position', { n: index + 1, of: checks.length })}</h3>
            <Facts check={check} />
            <Pictures review={review} check={check} />
            {!review.not_yours && <Decide check={check} />}
          </li>
        ))}
      </ol>
    </section>
  );
}

/** After a decision the next check stands first; the keyboard is led to it. */
function useFocusOnNext(checks: ReviewedCheck[]) {
  const list = useRef<HTMLOListElement>(null);
  const first = checks[0]?.id;
  const known = useRef(first);
  useEffect(() => {
    if (known.current === first) return;
    known.current = first;
    list.current?.querySelector<HTMLElement>('h3')?.focus();
  }, [first]);
  return list;
}

function Facts({ check }: { check: ReviewedCheck }) {
  const { t, i18n } = useTranslation();
  const word = (key: string) => (i18n.exists(key) ? t(key) : '');
  const alike = check.pictures.filter((picture) => typeof picture.similarity === 'number').at(-1);
  return (
    <dl className="review-facts">
      <div>
        <dt>{t('reviews.asked')}</dt>
        <dd className="figures">{dateTimeExact(check.asked_at, i18n.language)}</dd>
      </div>
      <div>
        <dt>{t('record.kind')}</dt>
        <dd>{word(`kind.${check.kind}`)}</dd>
      </div>
      <div>
        <dt>{t('reviews.outcome')}</dt>
        <dd>
          <StateTag tone={outcomeTone(check.outcome)}>
            <OutcomeText outcome={check.outcome} />
          </StateTag>
        </dd>
      </div>
      {check.finding && (
        <div>
          <dt>{t('finding.title')}</dt>
          <dd>{word(`finding.${check.finding}`)}</dd>
        </div>
      )}
      {typeof alike?.similarity === 'number' && (
        <div>
          <dt>{t('reviews.similarity')}</dt>
          <dd className="figures">{alike.similarity.toFixed(2)}</dd>
        </div>
      )}
    </dl>
  );
}

function Pictures({ review, check }: { review: Review; check: ReviewedCheck }) {
  const { t, i18n } = useTranslation();
  return (
    <div className="review-pictures">
      <figure>
        <SealedPicture
          path={portraitPath(review.person_id)}
          alt={t('faces.portrait', { name: review.name })}
          none={t('reviews.noPortrait')}
        />
        <figcaption>{t('reviews.enrolled')}</figcaption>
      </figure>
      {check.pictures.map((picture) => {
        const time = clockTimeExact(picture.taken_at, i18n.language);
        return (
          <figure key={picture.id}>
            <SealedPicture
              path={picturePath(picture.id)}
              alt={t('reviews.pictureAlt', { time })}
              none={t('reviews.noPictures')}
            />
            <figcaption className="figures">
              {t('reviews.seen')} {time}
            </figcaption>
          </figure>
        );
      })}
      {check.pictures.length === 0 && <p className="hint">{t('reviews.noPictures')}</p>}
    </div>
  );
}

function Decide({ check }: { check: ReviewedCheck }) {
  const { t } = useTranslation();
  const { modal } = App.useApp();
  const isPass = check.outcome === 'passed_low_assurance' || check.outcome === 'passed';
  const words: Record<Ruling, string> = isPass
    ? { upheld: t('reviews.passStands'), overturned: t('reviews.passFalls') }
    : { upheld: t('reviews.failStands'), overturned: t('reviews.failFalls') };
  const decide = useChange((ruling: Ruling) => ruleCheck(check.id, ruling), keys.reviews, {
    done: t('reviews.decided'),
  });
  const ask = (ruling: Ruling) =>
    void modal.confirm({
      title: t('reviews.confirmTitle', { what: words[ruling] }),
      content: t('reviews.confirmText'),
      okText: t('app.confirm'),
      cancelText: t('app.back'),
      onOk: () => decide.mutateAsync(ruling).catch(() => undefined),
    });
  return (
    <div className="review-decide">
      {(['upheld', 'overturned'] as const).map((ruling) => (
        <Button
          key={ruling}
          size="large"
          disabled={decide.isPending}
          data-testid={`rule-${ruling}`}
          onClick={() => ask(ruling)}
        >
          {words[ruling]}
        </Button>
      ))}
    </div>
  );
}
