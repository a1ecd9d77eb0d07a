import { InboxOutlined } from '@ant-design/icons';
import { useMutation } from '@tanstack/react-query';
import { Button, Form, TreeSelect, Upload } from 'antd';
import { useState } from 'react';
import { importQuestions } from '../../api/calls';
import { client } from '../../api/client';
import { keys } from '../../api/live';
import type { QuestionImport as Found } from '../../api/types';
import { useTranslation } from '../../i18n/useText';
import { downloadCsv } from '../../lib/csv';
import { unwrap } from '../../lib/result';
import { Notice } from '../../ui/State';
import { OptionList } from './OptionList';
import { Refusal } from './Refusal';
import { unitTree, useChange, useUnits } from './queries';

/** Questions shown before they are imported. */
const PREVIEW_MAX = 20;

/** Rows of the template: what the columns are called, then one question of each kind. */
const TEMPLATE = [
  'questions.importColumns',
  'questions.importSingle',
  'questions.importMultiple',
  'questions.importTrueFalse',
  'questions.importNumeric',
  'questions.importShortText',
] as const;

/** A file of questions: looked at first, then taken as a whole. */
export function QuestionImport({ onDone }: { onDone: () => void }) {
  const { t, i18n } = useTranslation();
  const units = useUnits();
  const session = client.session.get();
  const home = session.status === 'signed_in' ? session.me.unit.id : undefined;
  const [unit, setUnit] = useState(home);
  const [file, setFile] = useState<File>();
  const look = useMutation({
    mutationFn: async (chosen: File) => unwrap(await importQuestions(unit ?? '', chosen, true)),
  });
  const take = useChange(
    (chosen: File) => importQuestions(unit ?? '', chosen, false),
    keys.questions,
    {
      done: t('questions.importDone', { n: look.data?.questions.length ?? 0 }),
      onDone,
      inForm: true,
    },
  );
  const choose = (chosen: File) => {
    setFile(chosen);
    take.reset();
    look.mutate(chosen);
    // The form sends it, not the control.
    return false;
  };
  const found = look.data;
  const ready = found?.complaints.length === 0 && found.questions.length > 0;
  return (
    <Form layout="vertical" requiredMark={false} onFinish={() => file && take.mutate(file)}>
      <p>{t('questions.importLead')}</p>
      <Form.Item label={t('questions.unit')}>
        <TreeSelect
          aria-label={t('questions.unit')}
          value={unit}
          treeData={unitTree(units.data ?? [])}
          treeDefaultExpandAll
          onChange={setUnit}
        />
      </Form.Item>
      <Form.Item>
        <Upload.Dragger
          accept=".gift,.txt,.csv,.xlsx"
          beforeUpload={choose}
          showUploadList={false}
          disabled={look.isPending || take.isPending}
        >
          <p className="ant-upload-drag-icon">
            <InboxOutlined />
          </p>
          <p className="ant-upload-text">
            {look.isPending
              ? t('questions.importReading')
              : (file?.name ?? t('questions.importDrop'))}
          </p>
        </Upload.Dragger>
        <Button
          type="link"
          onClick={() => {
            const [header = [], ...rows] = TEMPLATE.map((key) => t(key).split('|'));
            downloadCsv(t('questions.importTemplateName'), header, rows);
          }}
        >
          {t('questions.importTemplate')}
        </Button>
      </Form.Item>
      <Refusal error={look.error} />
      {found && <Report found={found} chinese={i18n.language !== 'en'} />}
      <Refusal error={take.error} />
      {ready && (
        <Button
          type="primary"
          htmlType="submit"
          loading={take.isPending}
          block
          data-testid="import-do"
        >
          {t('questions.importDo', { n: found.questions.length })}
        </Button>
      )}
    </Form>
  );
}

function Report({ found, chinese }: { found: Found; chinese: boolean }) {
  const { t } = useTranslation();
  const { questions, complaints } = found;
  return (
    <section aria-live="polite" data-testid="import-report">
      {complaints.length > 0 && (
        <Notice tone="refused" role="alert">
          <div>{t('questions.importWrong', { n: complaints.length })}</div>
          <ul className="desk-complaints">
            {complaints.map((complaint, index) => (
              <li key={index}>
                <b>{t('questions.importLine', { n: complaint.line })}</b>{' '}
                {chinese ? complaint.zh : complaint.en}
              </li>
            ))}
          </ul>
        </Notice>
      )}
      <p>{t('questions.importFound', { n: questions.length })}</p>
      <ol className="desk-preview">
        {questions.slice(0, PREVIEW_MAX).map((question) => (
          <li key={question.id}>
            {question.text}
            <OptionList question={question} />
          </li>
        ))}
      </ol>
      {questions.length > PREVIEW_MAX && (
        <p>{t('questions.importMore', { n: questions.length - PREVIEW_MAX })}</p>
      )}
    </section>
  );
}
