import type { Attendance, AttendanceCheck } from '../api/types';
import { useTranslation } from '../i18n/useText';
import { clockTimeExact, runningTime } from '../lib/time';
import type { Stretch } from '../lib/timeline';
import { Button } from './Button';
import { outcomeTone } from './lessonTone';
import { Notice, StateTag, type Tone } from './State';
import { TimelineBar } from './TimelineBar';

const VERDICT_TONE: Record<Stretch['verdict'], Tone> = {
  credited: 'ok',
  withheld: 'refused',
  pending: 'waiting',
};

interface DetailProps {
  attendance: Attendance;
  /** Offers an appeal against a withheld stretch. */
  onAppeal?: (stretch: Stretch) => void;
}

/** Time that was denied; breaks and absences were not. */
function isDenied(stretch: Stretch): boolean {
  const isAbsence = stretch.reason === 'not_alive' || stretch.reason === 'on_break';
  return stretch.verdict === 'withheld' && !isAbsence;
}

/** One lesson's record: the bar, the same as a table, the checks, and the proof of fairness. */
export function AttendanceDetail({ attendance, onAppeal }: DetailProps) {
  const { t } = useTranslation();
  return (
    <div className="attendance">
      <TimelineBar
        stretches={attendance.stretches}
        startsAt={attendance.lesson.starts_at}
        creditedSeconds={attendance.credited_seconds}
        withheldSeconds={attendance.withheld_seconds}
      />
      {attendance.state === 'needs_review' && (
        <Notice tone="attention">{t('record.reviewText')}</Notice>
      )}
      {attendance.stretches.length > 0 && (
        <Stretches
          stretches={attendance.stretches}
          onAppeal={onAppeal}
          appealed={(attendance.appeals ?? [])
            .filter((appeal) => appeal.state !== 'withdrawn')
            .map((appeal) => appeal.stretch.from)}
        />
      )}
      <h4>{t('record.checks')}</h4>
      {attendance.checks.length === 0 ? (
        <p className="hint">{t('record.noChecks')}</p>
      ) : (
        <Checks checks={attendance.checks} />
      )}
      <details className="proof">
        <summary>{t('record.proof')}</summary>
        <p>{t('record.proofText')}</p>
        <dl>
          <dt>{t('record.commitment')}</dt>
          <dd>
            <code>{attendance.commitment}</code>
          </dd>
          <dt>{t('record.seed')}</dt>
          <dd>{attendance.seed ? <code>{attendance.seed}</code> : t('record.seedLater')}</dd>
          <dt>{t('record.ruleVersion')}</dt>
          <dd>{attendance.rule_version}</dd>
        </dl>
      </details>
    </div>
  );
}

/** Why a stretch does not count, in words. */
export function useReasonText(): (stretch: Stretch) => string {
  const { t, i18n } = useTranslation();
  return (stretch) => {
    if (!stretch.reason) return '';
    const key = `reason.${stretch.reason}`;
    return i18n.exists(key) ? t(key) : t('reason.other');
  };
}

interface StretchesProps {
  stretches: Stretch[];
  onAppeal: DetailProps['onAppeal'];
  /** Beginnings of stretches that were appealed against. */
  appealed: string[];
}

function Stretches({ stretches, onAppeal, appealed }: StretchesProps) {
  const { t, i18n } = useTranslation();
  const reason = useReasonText();
  return (
    <div className="scroll-x" tabIndex={0} role="region" aria-label={t('record.table')}>
      <table className="plain-table">
        <caption>{t('record.table')}</caption>
        <thead>
          <tr>
            <th scope="col">{t('record.from')}</th>
            <th scope="col">{t('record.to')}</th>
            <th scope="col">{t('record.length')}</th>
            <th scope="col">{t('record.verdict')}</th>
          </tr>
        </thead>
        <tbody>
          {stretches.map((stretch) => (
            <tr key={stretch.from}>
              <td>{clockTimeExact(stretch.from, i18n.language)}</td>
              <td>{clockTimeExact(stretch.to, i18n.language)}</td>
              <td>{runningTime(stretch.seconds)}</td>
              <td>
                <StateTag tone={VERDICT_TONE[stretch.verdict]}>
                  {t(`record.${stretch.verdict}`)}
                </StateTag>
                {stretch.reason && <div className="reason">{reason(stretch)}</div>}
                {onAppeal && isDenied(stretch) && !appealed.includes(stretch.from) && (
                  <Button
                    size="small"
                    data-testid="appeal"
                    aria-label={t('redress.appealLabel', {
                      from: clockTimeExact(stretch.from, i18n.language),
                      to: clockTimeExact(stretch.to, i18n.language),
                    })}
                    onClick={() => onAppeal(stretch)}
                  >
                    {t('redress.appeal')}
                  </Button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Checks({ checks }: { checks: AttendanceCheck[] }) {
  const { t, i18n } = useTranslation();
  const kind = (name: string) => {
    const key = `kind.${name}`;
    return i18n.exists(key) ? t(key) : name;
  };
  return (
    <ul className="check-list">
      {checks.map((check) => (
        <li key={check.id}>
          <span className="figures">{clockTimeExact(check.asked_at, i18n.language)}</span>
          <span>
            {kind(check.kind)}
            <small>{t(check.by === 'staff' ? 'record.byStaff' : 'record.bySchedule')}</small>
            <FindingText finding={check.finding} />
          </span>
          <span className="check-ends">
            <StateTag tone={outcomeTone(check.outcome)}>
              <OutcomeText outcome={check.outcome} />
            </StateTag>
            {check.ruling && (
              <StateTag tone="neutral" icon="people">
                <OutcomeText outcome={check.ruling} />
              </StateTag>
            )}
          </span>
        </li>
      ))}
    </ul>
  );
}

/** What the server saw, of a check that looks. */
function FindingText({ finding }: { finding: string | null | undefined }) {
  const { t, i18n } = useTranslation();
  const key = `finding.${finding ?? ''}`;
  if (!finding || !i18n.exists(key)) return null;
  return <span className="check-finding">{t(key)}</span>;
}

/** The outcome of a check in a word. */
export function OutcomeText({ outcome }: { outcome: string | null | undefined }) {
  const { t, i18n } = useTranslation();
  if (!outcome) return t('outcomeShort.waiting');
  const key = `outcomeShort.${outcome}`;
  return i18n.exists(key) ? t(key) : t('outcomeShort.other');
}
