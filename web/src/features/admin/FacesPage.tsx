import { useQuery } from '@tanstack/react-query';
import { App, Button, Form, Input, Modal, Pagination, Space } from 'antd';
import { useState } from 'react';
import {
  approveFace,
  listFaces,
  portraitPath,
  refuseFace,
  type Proposal,
  type Proposals,
} from '../../api/faces';
import { keys } from '../../api/live';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, unwrap } from '../../lib/result';
import { dateTime } from '../../lib/time';
import { Empty, Notice, Skeleton } from '../../ui/State';
import { PAGE_SIZE, pageOf, usePages } from './DeskTable';
import { PageHead } from './PageHead';
import { Refusal } from './Refusal';
import { SealedPicture } from './SealedPicture';
import { useChange } from './queries';
import { useFilters } from './useFilters';
import './faces.css';

/** People with whose faces the law asks for a filing. */
const FILING_AT = 100_000;
/** Somebody may be approved, or come, at any time. */
const REFETCH_MS = 30_000;

/** Pictures that wait until somebody has seen whose they are. */
export function FacesPage() {
  const { t } = useTranslation();
  const { get } = useFilters();
  const page = pageOf(get('page'));
  const faces = useQuery({
    queryKey: [...keys.faces, page],
    queryFn: async () => unwrap(await listFaces(page, PAGE_SIZE)),
    placeholderData: (before) => before,
    refetchInterval: REFETCH_MS,
  });
  const pages = usePages(faces.data?.total);
  return (
    <>
      <PageHead title={t('faces.title')}>
        <p className="desk-lead">{t('faces.lead')}</p>
      </PageHead>
      {faces.isPending && <Skeleton lines={4} label={t('app.loading')} />}
      {faces.isError && <Failed error={faces.error} onRetry={() => void faces.refetch()} />}
      {faces.data && <Figures faces={faces.data} />}
      {faces.data && faces.data.items.length === 0 && (
        <div className="desk-panel">
          <Empty icon="face" title={t('faces.empty')} hint={t('faces.emptyHint')} />
        </div>
      )}
      {faces.data && faces.data.items.length > 0 && (
        <>
          <ul className="proposals">
            {faces.data.items.map((proposal) => (
              <Card key={proposal.person_id} proposal={proposal} />
            ))}
          </ul>
          <Pagination {...pages} hideOnSinglePage align="end" />
        </>
      )}
    </>
  );
}

function Failed({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  return (
    <div className="desk-failed">
      <Notice
        tone="refused"
        role="alert"
        action={<Button onClick={onRetry}>{t('app.retry')}</Button>}
      >
        {problemText(problemOf(error))}
      </Notice>
    </div>
  );
}

function Figures({ faces }: { faces: Proposals }) {
  const { t, i18n } = useTranslation();
  const reached = faces.known >= FILING_AT;
  return (
    <div className="face-figures">
      <dl>
        <Figure title={t('faces.waiting')} value={faces.total.toLocaleString(i18n.language)} />
        <Figure title={t('faces.known')} value={faces.known.toLocaleString(i18n.language)} />
        <Figure title={t('faces.mode')} value={t(`faces.${faces.mode}`)} words />
      </dl>
      {faces.mode === 'evidence_only' && (
        <Notice tone="attention">{t('faces.evidenceHint')}</Notice>
      )}
      {reached ? (
        <Notice tone="attention" role="alert">
          {t('faces.filingNow')}
        </Notice>
      ) : (
        <p className="hint">{t('faces.filing')}</p>
      )}
    </div>
  );
}

function Figure(props: { title: string; value: string; words?: boolean }) {
  return (
    <div>
      <dt>{props.title}</dt>
      <dd className={props.words === true ? 'face-figure-words' : 'figures'}>{props.value}</dd>
    </div>
  );
}

function Card({ proposal }: { proposal: Proposal }) {
  const { t, i18n } = useTranslation();
  const { modal } = App.useApp();
  const [refusing, setRefusing] = useState(false);
  const { name, person_id: id } = proposal;
  const approve = useChange(() => approveFace(id), keys.faces, {
    done: t('faces.approved', { name }),
  });
  const ask = () =>
    void modal.confirm({
      title: t('faces.approveTitle', { name }),
      content: t('faces.approveText'),
      okText: t('faces.approve'),
      cancelText: t('app.back'),
      onOk: () => approve.mutateAsync(undefined).catch(() => undefined),
    });
  return (
    <li className="proposal" data-testid="proposal" data-person={id}>
      <SealedPicture
        path={portraitPath(id)}
        alt={t('faces.portrait', { name })}
        none={t('faces.noPicture')}
      />
      <div className="proposal-words">
        <strong>{name}</strong>
        <span className="hint">{proposal.unit.name}</span>
        <span className="hint figures">
          {t('faces.since', { time: dateTime(proposal.since, i18n.language) })}
        </span>
      </div>
      <Space>
        <Button
          type="primary"
          loading={approve.isPending}
          aria-label={`${t('faces.approve')}: ${name}`}
          data-testid="face-approve"
          onClick={ask}
        >
          {t('faces.approve')}
        </Button>
        <Button
          aria-label={`${t('faces.refuse')}: ${name}`}
          data-testid="face-refuse"
          onClick={() => setRefusing(true)}
        >
          {t('faces.refuse')}
        </Button>
      </Space>
      {refusing && <Refuse proposal={proposal} onClose={() => setRefusing(false)} />}
    </li>
  );
}

/** Longest reason that the server takes. */
const REASON_MAX = 200;

function Refuse({ proposal, onClose }: { proposal: Proposal; onClose: () => void }) {
  const { t } = useTranslation();
  const { name, person_id: id } = proposal;
  const [form] = Form.useForm<{ reason: string }>();
  const refuse = useChange((reason: string) => refuseFace(id, reason), keys.faces, {
    done: t('faces.refused', { name }),
    onDone: onClose,
    inForm: true,
  });
  const usual = [t('faces.reasonBlurred'), t('faces.reasonCovered'), t('faces.reasonOther')];
  return (
    <Modal
      open
      title={t('faces.refuseTitle', { name })}
      okText={t('faces.refuse')}
      cancelText={t('app.back')}
      okButtonProps={{ danger: true, loading: refuse.isPending }}
      onOk={form.submit}
      onCancel={onClose}
    >
      <p>{t('faces.refuseText')}</p>
      <Form
        form={form}
        layout="vertical"
        requiredMark={false}
        onFinish={({ reason }) => refuse.mutate(reason.trim())}
      >
        <div className="face-reasons">
          {usual.map((reason) => (
            <Button key={reason} size="small" onClick={() => form.setFieldsValue({ reason })}>
              {reason}
            </Button>
          ))}
        </div>
        <Form.Item
          name="reason"
          label={t('faces.reason')}
          rules={[{ required: true, whitespace: true, message: t('desk.required') }]}
        >
          <Input.TextArea rows={3} maxLength={REASON_MAX} showCount data-testid="face-reason" />
        </Form.Item>
        <Refusal error={refuse.error} />
      </Form>
    </Modal>
  );
}
