import { useQuery } from '@tanstack/react-query';
import { App, Button, Collapse, Form, Input, InputNumber, Pagination, Space } from 'antd';
import { useState } from 'react';
import { getAttendance } from '../../api/calls';
import { keys } from '../../api/live';
import {
  decideAdjustment,
  decideAppeal,
  listAppeals,
  proposeAdjustment,
  type Adjustment,
  type Appeal,
  type Redress,
} from '../../api/redress';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, unwrap } from '../../lib/result';
import { clockTimeExact, dateTime, runningTime } from '../../lib/time';
import { AttendanceDetail, useReasonText } from '../../ui/AttendanceDetail';
import { Empty, Notice, Skeleton, StateTag } from '../../ui/State';
import { PAGE_SIZE, pageOf, usePages } from './DeskTable';
import { PageHead } from './PageHead';
import { useChange } from './queries';
import { useFilters } from './useFilters';
import './appeals.css';

const REASON_MAX = 500;
const MINUTES_MAX = 480;

/** What learners appeal against, and adjustments that wait for a second person. */
export function AppealsPage() {
  const { t } = useTranslation();
  const { get } = useFilters();
  const problemText = useProblemText();
  const page = pageOf(get('page'));
  const waiting = useQuery({
    queryKey: [...keys.appeals, page],
    queryFn: async () => unwrap(await listAppeals(page, PAGE_SIZE)),
    placeholderData: (before) => before,
  });
  const pages = usePages(waiting.data?.total);
  return (
    <>
      <PageHead title={t('appeals.title')}>
        <p className="desk-lead">{t('appeals.lead')}</p>
        {waiting.data && (
          <p className="desk-lead figures">
            {t('appeals.rate', { decided: waiting.data.decided, upheld: waiting.data.upheld })}
          </p>
        )}
      </PageHead>
      {waiting.isPending && <Skeleton lines={5} label={t('app.loading')} />}
      {waiting.isError && (
        <Notice
          tone="refused"
          role="alert"
          action={<Button onClick={() => void waiting.refetch()}>{t('app.retry')}</Button>}
        >
          {problemText(problemOf(waiting.error))}
        </Notice>
      )}
      {waiting.data?.items.length === 0 && (
        <div className="desk-panel" data-testid="appeals-empty">
          <Empty icon="check" title={t('appeals.empty')} hint={t('appeals.emptyHint')} />
        </div>
      )}
      <ul className="appeals">
        {waiting.data?.items.map((redress) => (
          <Case key={redress.attendance_id} redress={redress} />
        ))}
      </ul>
      <Pagination {...pages} simple hideOnSinglePage />
    </>
  );
}

function Case({ redress }: { redress: Redress }) {
  const { t, i18n } = useTranslation();
  const open = redress.appeals.filter((appeal) => appeal.state === 'open');
  const adjustments = redress.adjustments.filter((one) => one.state === 'waiting');
  return (
    <li className="desk-panel appeal-case" data-testid="appeal-case">
      <h2>{redress.name}</h2>
      <p className="hint">
        {redress.unit_name} · {redress.lesson.title} ·{' '}
        <span className="figures">{dateTime(redress.lesson.starts_at, i18n.language)}</span>
      </p>
      {redress.not_yours && <Notice tone="attention">{t('appeals.notYours')}</Notice>}
      {open.map((appeal) => (
        <AppealCard key={appeal.id} redress={redress} appeal={appeal} />
      ))}
      {adjustments.map((adjustment) => (
        <AdjustmentCard key={adjustment.id} redress={redress} adjustment={adjustment} />
      ))}
      <Collapse
        ghost
        destroyOnHidden
        items={[
          {
            key: 'record',
            label: t('appeals.record'),
            children: <Record id={redress.attendance_id} />,
          },
        ]}
      />
    </li>
  );
}

function Record({ id }: { id: string }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const attendance = useQuery({
    queryKey: keys.attendance(id),
    queryFn: async () => unwrap(await getAttendance(id)),
  });
  if (attendance.isPending) return <Skeleton label={t('app.loading')} />;
  if (attendance.isError) {
    return (
      <Notice tone="refused" role="alert">
        {problemText(problemOf(attendance.error))}
      </Notice>
    );
  }
  return <AttendanceDetail attendance={attendance.data} />;
}

interface AppealProps {
  redress: Redress;
  appeal: Appeal;
}

function AppealCard({ redress, appeal }: AppealProps) {
  const { t, i18n } = useTranslation();
  const reasonText = useReasonText();
  const [reason, setReason] = useState('');
  const decide = useChange(
    (upheld: boolean) => decideAppeal(redress.attendance_id, appeal.id, upheld, reason),
    keys.appeals,
    { done: t('appeals.done') },
  );
  const ready = reason.trim() !== '' && !decide.isPending;
  return (
    <section className="appeal-card" data-testid="appeal-card">
      <p>
        <strong className="figures">
          {clockTimeExact(appeal.stretch.from, i18n.language)} –{' '}
          {clockTimeExact(appeal.stretch.to, i18n.language)}
        </strong>{' '}
        {runningTime(appeal.stretch.seconds)} · {reasonText(appeal.stretch)}
      </p>
      <p>
        <span className="hint">{t('appeals.said')}</span> {appeal.text}
      </p>
      <p className="hint">
        {t('appeals.due', { at: dateTime(appeal.due_at, i18n.language) })}
        {appeal.overdue && <StateTag tone="refused">{t('appeals.overdue')}</StateTag>}
      </p>
      {!redress.not_yours && (
        <Form layout="vertical">
          <Form.Item label={t('appeals.reason')} extra={t('appeals.upholdNote')}>
            <Input.TextArea
              rows={2}
              maxLength={REASON_MAX}
              value={reason}
              data-testid="appeal-reason"
              placeholder={t('appeals.reasonHint')}
              onChange={(event) => setReason(event.target.value)}
            />
          </Form.Item>
          <Space>
            <Button
              type="primary"
              disabled={!ready}
              loading={decide.isPending}
              data-testid="appeal-uphold"
              onClick={() => decide.mutate(true)}
            >
              {t('appeals.uphold')}
            </Button>
            <Button
              disabled={!ready}
              data-testid="appeal-dismiss"
              onClick={() => decide.mutate(false)}
            >
              {t('appeals.dismiss')}
            </Button>
          </Space>
        </Form>
      )}
    </section>
  );
}

interface AdjustmentProps {
  redress: Redress;
  adjustment: Adjustment;
}

function AdjustmentCard({ redress, adjustment }: AdjustmentProps) {
  const { t } = useTranslation();
  const decide = useChange(
    (approved: boolean) => decideAdjustment(redress.attendance_id, adjustment.id, approved),
    keys.appeals,
    { done: t('appeals.done') },
  );
  const minutes = Math.round(adjustment.seconds / 6) / 10;
  return (
    <section className="appeal-card" data-testid="adjustment-card">
      <p>
        <strong>{t('appeals.adjustment', { n: minutes > 0 ? `+${minutes}` : minutes })}</strong> ·{' '}
        {adjustment.reason}
      </p>
      <p className="hint">{t('appeals.second')}</p>
      {!redress.not_yours && (
        <Space>
          <Button
            type="primary"
            loading={decide.isPending}
            data-testid="adjustment-approve"
            onClick={() => decide.mutate(true)}
          >
            {t('appeals.approve')}
          </Button>
          <Button disabled={decide.isPending} onClick={() => decide.mutate(false)}>
            {t('appeals.refuse')}
          </Button>
        </Space>
      )}
    </section>
  );
}

/** Proposes to add minutes to an attendance, or to take some. */
export function AdjustButton({ attendanceId }: { attendanceId: string }) {
  const { t } = useTranslation();
  const { modal } = App.useApp();
  const propose = useChange(
    (given: { minutes: number; reason: string }) =>
      proposeAdjustment(attendanceId, Math.round(given.minutes * 60), given.reason),
    keys.attendance(attendanceId),
    { done: t('appeals.proposeDone') },
  );
  const ask = () => {
    const given = { minutes: 0, reason: '' };
    modal.confirm({
      title: t('appeals.propose'),
      icon: null,
      okText: t('appeals.propose'),
      cancelText: t('app.cancel'),
      content: (
        <Form layout="vertical">
          <Form.Item label={t('appeals.proposeMinutes')}>
            <InputNumber
              min={-MINUTES_MAX}
              max={MINUTES_MAX}
              onChange={(minutes) => {
                given.minutes = minutes ?? 0;
              }}
            />
          </Form.Item>
          <Form.Item label={t('appeals.reason')} extra={t('appeals.second')}>
            <Input.TextArea
              rows={3}
              maxLength={REASON_MAX}
              onChange={(event) => {
                given.reason = event.target.value;
              }}
            />
          </Form.Item>
        </Form>
      ),
      onOk: () => propose.mutateAsync(given).then(() => undefined),
    });
  };
  return (
    <Button size="small" data-testid="adjust" onClick={ask}>
      {t('appeals.propose')}
    </Button>
  );
}
