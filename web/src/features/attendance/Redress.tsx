import { useMutation } from '@tanstack/react-query';
import { useId, useState } from 'react';
import { keys, queryClient } from '../../api/live';
import { fetchEvidence, fileAppeal, withdrawAppeal, type Appeal } from '../../api/redress';
import type { Attendance } from '../../api/types';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { offer } from '../../lib/csv';
import { problemOf, unwrap } from '../../lib/result';
import { clockTimeExact, dateTime, runningTime, wholeMinutes } from '../../lib/time';
import type { Stretch } from '../../lib/timeline';
import { useReasonText } from '../../ui/AttendanceDetail';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import { Notice, StateTag, type Tone } from '../../ui/State';
import { tell } from '../../ui/toasts';

const TEXT_MAX = 1000;

const APPEAL_TONE: Record<Appeal['state'], Tone> = {
  open: 'waiting',
  withdrawn: 'neutral',
  upheld: 'ok',
  dismissed: 'refused',
};

/** Whether appeals are taken now. */
export function mayAppeal(attendance: Attendance, now: number): boolean {
  const until = attendance.appeal_until;
  return !until || Date.parse(until) >= now;
}

/** One's appeals, what people did about the time, and the evidence to take along. */
export function RedressSection({ attendance, now }: { attendance: Attendance; now: number }) {
  const { t, i18n } = useTranslation();
  const { appeals = [], adjustments = [], appeal_until: until } = attendance;
  const adjusted = wholeMinutes(Math.abs(attendance.adjusted_seconds ?? 0));
  return (
    <section className="redress" aria-label={t('redress.mine')}>
      {appeals.length > 0 && (
        <>
          <h4>{t('redress.mine')}</h4>
          <ul className="check-list">
            {appeals.map((appeal) => (
              <AppealLine key={appeal.id} attendanceId={attendance.id} appeal={appeal} />
            ))}
          </ul>
        </>
      )}
      {adjustments.length > 0 && adjusted > 0 && (
        <Notice tone="ok">
          {t('redress.adjusted', {
            n: (attendance.adjusted_seconds ?? 0) < 0 ? `-${adjusted}` : adjusted,
          })}
        </Notice>
      )}
      {until && (
        <p className="hint">
          {mayAppeal(attendance, now)
            ? t('redress.until', { at: dateTime(until, i18n.language) })
            : t('redress.over')}
        </p>
      )}
      <Evidence attendance={attendance} />
    </section>
  );
}

function AppealLine({ attendanceId, appeal }: { attendanceId: string; appeal: Appeal }) {
  const { t, i18n } = useTranslation();
  const problemText = useProblemText();
  const withdraw = useMutation({
    mutationFn: async () => unwrap(await withdrawAppeal(attendanceId, appeal.id)),
    onSuccess: () => tell('ok', t('redress.withdrawn')),
    onError: (error) => tell('refused', problemText(problemOf(error))),
    onSettled: () => queryClient.invalidateQueries({ queryKey: keys.attendance(attendanceId) }),
  });
  const stateText = {
    open: t('redress.stateOpen'),
    withdrawn: t('redress.stateWithdrawn'),
    upheld: t('redress.stateUpheld'),
    dismissed: t('redress.stateDismissed'),
  }[appeal.state];
  return (
    <li data-testid="appeal-line" data-state={appeal.state}>
      <span className="figures">{clockTimeExact(appeal.stretch.from, i18n.language)}</span>
      <span>
        {appeal.text}
        <small>
          {t('redress.filed', {
            at: dateTime(appeal.filed_at, i18n.language),
            due: dateTime(appeal.due_at, i18n.language),
          })}
        </small>
        {appeal.overdue && appeal.state === 'open' && <small>{t('redress.overdue')}</small>}
        {appeal.reason && <small>{t('redress.answer', { reason: appeal.reason })}</small>}
      </span>
      <span className="check-ends">
        <StateTag tone={APPEAL_TONE[appeal.state]}>{stateText}</StateTag>
        {appeal.state === 'open' && (
          <Button size="small" busy={withdraw.isPending} onClick={() => withdraw.mutate()}>
            {t('redress.withdraw')}
          </Button>
        )}
      </span>
    </li>
  );
}

function Evidence({ attendance }: { attendance: Attendance }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const pack = useMutation({
    mutationFn: async () => unwrap(await fetchEvidence(attendance.id)),
    onSuccess: (zip) => offer(zip, `evidence-${attendance.id}.zip`),
    onError: (error) => tell('refused', problemText(problemOf(error))),
  });
  const isOver = attendance.state !== 'open';
  return (
    <div className="redress-evidence">
      <Button
        icon="download"
        busy={pack.isPending}
        disabled={!isOver}
        data-testid="evidence"
        onClick={() => pack.mutate()}
      >
        {pack.isPending ? t('redress.evidencePacking') : t('redress.evidence')}
      </Button>
      <p className="hint">{isOver ? t('redress.evidenceHint') : t('redress.evidenceOpen')}</p>
    </div>
  );
}

interface AppealProps {
  attendanceId: string;
  stretch: Stretch;
  onClose: () => void;
}

/** Says why a stretch should count. */
export function AppealDialog({ attendanceId, stretch, onClose }: AppealProps) {
  const { t, i18n } = useTranslation();
  const problemText = useProblemText();
  const reason = useReasonText();
  const [text, setText] = useState('');
  const id = useId();
  const send = useMutation({
    mutationFn: async () => unwrap(await fileAppeal(attendanceId, stretch, text)),
    onSuccess: () => {
      tell('ok', t('redress.sent'));
      onClose();
    },
    onSettled: () => queryClient.invalidateQueries({ queryKey: keys.attendance(attendanceId) }),
  });
  return (
    <Dialog
      look="sheet"
      title={t('redress.dialog')}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{t('app.cancel')}</Button>
          <Button
            look="primary"
            busy={send.isPending}
            disabled={text.trim() === ''}
            data-testid="appeal-send"
            onClick={() => send.mutate()}
          >
            {t('redress.send')}
          </Button>
        </>
      }
    >
      <p>
        {t('redress.what', {
          from: clockTimeExact(stretch.from, i18n.language),
          to: clockTimeExact(stretch.to, i18n.language),
          length: runningTime(stretch.seconds),
          reason: reason(stretch),
        })}
      </p>
      {send.isError && (
        <Notice tone="refused" role="alert">
          {problemText(problemOf(send.error))}
        </Notice>
      )}
      <div className="field">
        <label htmlFor={id}>{t('redress.why')}</label>
        <div className="field-box">
          <textarea
            id={id}
            rows={5}
            maxLength={TEXT_MAX}
            value={text}
            data-testid="appeal-text"
            aria-describedby={`${id}-told`}
            onChange={(event) => setText(event.target.value)}
          />
        </div>
        <p id={`${id}-told`} className="hint">
          {t('redress.whyHint')}
        </p>
      </div>
    </Dialog>
  );
}
