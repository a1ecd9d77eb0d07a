import { DeleteOutlined, PlusOutlined, UploadOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Button, Checkbox, Drawer, Form, Input, Segmented, Select, Space, TreeSelect } from 'antd';
import type { ColumnsType } from 'antd/es/table';
import { createQuestion, listQuestions, type QuestionDraft } from '../../api/calls';
import { client } from '../../api/client';
import { keys } from '../../api/live';
import type { Question, QuestionKind } from '../../api/types';
import { useTranslation } from '../../i18n/useText';
import type { Translate } from '../../i18n/texts';
import { success, unwrap } from '../../lib/result';
import { Empty } from '../../ui/State';
import { DeskTable, PAGE_SIZE, usePages } from './DeskTable';
import { exportCsv, type CsvColumn } from './exporting';
import { OptionList } from './OptionList';
import { PageHead } from './PageHead';
import { QuestionImport } from './QuestionImport';
import { Refusal } from './Refusal';
import { unitTree, useChange, useUnits } from './queries';
import { useFilters } from './useFilters';

const OPTIONS_MIN = 2;
const OPTIONS_MAX = 8;
const ACCEPTED_MAX = 20;
const KINDS = ['single', 'multiple', 'true_false', 'numeric', 'short_text'] as const;

function isWritten(kind: QuestionKind | undefined): boolean {
  return kind === 'numeric' || kind === 'short_text';
}

function useKindText(): Record<QuestionKind, string> {
  const { t } = useTranslation();
  return {
    single: t('questions.single'),
    multiple: t('questions.multiple'),
    true_false: t('questions.trueFalse'),
    numeric: t('questions.numeric'),
    short_text: t('questions.shortText'),
  };
}

export function QuestionsPage() {
  const { t } = useTranslation();
  const kindText = useKindText();
  const { get, set, open } = useFilters();
  const q = get('q');
  const questions = useQuery({
    queryKey: [...keys.questions, q],
    queryFn: async () => unwrap(await listQuestions(q)),
    placeholderData: (before) => before,
  });
  const rows = (questions.data?.items ?? []).filter(
    (question) => get('kind') === '' || question.kind === get('kind'),
  );
  const columns: ColumnsType<Question> = [
    { title: t('questions.text'), dataIndex: 'text' },
    {
      title: t('questions.kind'),
      dataIndex: 'kind',
      width: 100,
      render: (kind: QuestionKind) => kindText[kind],
    },
    {
      title: t('questions.options'),
      key: 'options',
      width: '40%',
      render: (_, question) => <OptionList question={question} />,
    },
  ];
  const exportAll = () =>
    Promise.resolve(success(exportCsv(t('desk.questions'), csvColumns(t, kindText), rows)));
  return (
    <>
      <PageHead
        title={t('desk.questions')}
        onExport={exportAll}
        create={{
          text: t('questions.create'),
          onClick: () => open({ new: '1' }),
          testId: 'question-create',
        }}
        more={
          <Button
            icon={<UploadOutlined />}
            data-testid="question-import"
            onClick={() => open({ import: '1' })}
          >
            {t('questions.import')}
          </Button>
        }
      >
        <FilterBar />
      </PageHead>
      <DeskTable<Question>
        rowKey="id"
        columns={columns}
        rows={rows}
        loading={questions}
        scroll={{ x: 720 }}
        empty={
          q === '' && get('kind') === '' ? (
            <Empty icon="question" title={t('questions.empty')} hint={t('questions.emptyHint')} />
          ) : (
            <Empty
              icon="question"
              title={t('questions.noMatch')}
              hint={t('questions.noMatchHint')}
            />
          )
        }
        pagination={{ ...usePages(rows.length), pageSize: PAGE_SIZE }}
      />
      {get('new') === '1' && (
        <Drawer
          open
          size={560}
          title={t('questions.create')}
          mask={{ closable: false }}
          onClose={() => set({ new: undefined })}
        >
          <QuestionForm onDone={() => set({ new: undefined })} />
        </Drawer>
      )}
      {get('import') === '1' && (
        <Drawer
          open
          size={640}
          title={t('questions.import')}
          mask={{ closable: false }}
          onClose={() => set({ import: undefined })}
        >
          <QuestionImport onDone={() => set({ import: undefined })} />
        </Drawer>
      )}
    </>
  );
}

function FilterBar() {
  const { t } = useTranslation();
  const kindText = useKindText();
  const { get, set } = useFilters();
  return (
    <Space wrap>
      <Input.Search
        key={get('q')}
        allowClear
        className="desk-search"
        aria-label={t('desk.search')}
        placeholder={t('questions.searchHint')}
        defaultValue={get('q')}
        onSearch={(q) => set({ q, page: undefined })}
      />
      <Select
        allowClear
        className="desk-role"
        aria-label={t('questions.kind')}
        placeholder={t('questions.kind')}
        value={get('kind') || undefined}
        options={KINDS.map((kind) => ({ value: kind, label: kindText[kind] }))}
        onChange={(kind: string | undefined) => set({ kind, page: undefined })}
      />
    </Space>
  );
}

function csvColumns(t: Translate, kindText: Record<QuestionKind, string>): CsvColumn<Question>[] {
  const texts = (question: Question, right: boolean) =>
    question.options
      .filter((option) => !right || option.correct === true)
      .map((option) => option.text)
      .concat(right ? question.accepted : [])
      .join('; ');
  return [
    { title: t('questions.text'), value: (question) => question.text },
    { title: t('questions.kind'), value: (question) => kindText[question.kind] },
    { title: t('questions.options'), value: (question) => texts(question, false) },
    { title: t('questions.answer'), value: (question) => texts(question, true) },
    { title: t('questions.unit'), value: (question) => question.unit?.name ?? '' },
  ];
}

interface Draft extends Omit<QuestionDraft, 'options' | 'accepted'> {
  /** Where one chooses. */
  options?: { text?: string; correct?: boolean }[];
  /** Where one writes. */
  accepted?: (string | undefined)[];
}

function QuestionForm({ onDone }: { onDone: () => void }) {
  const { t } = useTranslation();
  const kindText = useKindText();
  const units = useUnits();
  const session = client.session.get();
  const home = session.status === 'signed_in' ? session.me.unit.id : undefined;
  const [form] = Form.useForm<Draft>();
  const required = { required: true, whitespace: true, message: t('desk.required') };
  const create = useChange(
    (draft: Draft) =>
      createQuestion({
        ...draft,
        options: (draft.options ?? []).map((option) => ({
          text: option.text ?? '',
          correct: option.correct ?? false,
        })),
        accepted: (draft.accepted ?? []).map((text) => text ?? ''),
      }),
    keys.questions,
    { onDone, inForm: true },
  );
  const kind = Form.useWatch('kind', form);
  const setOptions = (kind: QuestionKind) => {
    if (isWritten(kind)) {
      form.setFieldValue('accepted', ['']);
      form.setFields([{ name: ['accepted', 0], errors: [] }]);
      return;
    }
    const texts = kind === 'true_false' ? [t('questions.right'), t('questions.wrong')] : ['', ''];
    form.setFieldValue(
      'options',
      texts.map((text) => ({ text, correct: false })),
    );
    // What was found wrong with the options before does not concern the new ones.
    form.setFields(texts.map((_, index) => ({ name: ['options', index, 'text'], errors: [] })));
  };
  return (
    <Form<Draft>
      form={form}
      layout="vertical"
      requiredMark={false}
      initialValues={{ kind: 'single', unit_id: home, options: [{}, {}] }}
      onFinish={create.mutate}
    >
      <Form.Item name="text" label={t('questions.text')} rules={[required]}>
        <Input.TextArea rows={3} maxLength={500} />
      </Form.Item>
      <Form.Item name="kind" label={t('questions.kind')}>
        <Segmented<QuestionKind>
          options={KINDS.map((kind) => ({
            value: kind,
            label: kindText[kind],
          }))}
          onChange={setOptions}
        />
      </Form.Item>
      {isWritten(kind) ? <Accepted numeric={kind === 'numeric'} /> : <Options />}
      <Form.Item name="unit_id" label={t('questions.unit')} rules={[required]}>
        <TreeSelect treeData={unitTree(units.data ?? [])} treeDefaultExpandAll />
      </Form.Item>
      <Refusal error={create.error} />
      <Button type="primary" htmlType="submit" loading={create.isPending} block>
        {t('app.save')}
      </Button>
    </Form>
  );
}

/** A number, a number and how far off it may be, or a range; the server reads it for good. */
const NUMBER = /^\s*[-+\u2212]?[\d.,]+\s*((\u00b1|:|~|\.\.)\s*[-+\u2212]?[\d.,]+\s*)?$/;

function Accepted({ numeric }: { numeric: boolean }) {
  const { t } = useTranslation();
  const required = { required: true, whitespace: true, message: t('desk.required') };
  const number = {
    validator: (_: unknown, text: string | undefined) =>
      NUMBER.test((text ?? '').normalize('NFKC'))
        ? Promise.resolve()
        : Promise.reject(new Error(t('questions.acceptedNumber'))),
  };
  return (
    <Form.List name="accepted">
      {(fields, { add, remove }) => (
        <Form.Item
          label={t('questions.accepted')}
          extra={numeric ? t('questions.acceptedNumbers') : t('questions.acceptedWords')}
        >
          {fields.map((field, index) => (
            <div key={field.key} className="desk-accepted">
              <Form.Item name={field.name} rules={numeric ? [required, number] : [required]}>
                <Input
                  aria-label={t('questions.acceptedOne', { n: index + 1 })}
                  placeholder={t('questions.acceptedOne', { n: index + 1 })}
                  maxLength={100}
                />
              </Form.Item>
              <Button
                type="text"
                icon={<DeleteOutlined />}
                aria-label={t('questions.removeAccepted')}
                disabled={fields.length <= 1}
                onClick={() => remove(field.name)}
              />
            </div>
          ))}
          <Button
            icon={<PlusOutlined />}
            disabled={fields.length >= ACCEPTED_MAX}
            onClick={() => add('')}
          >
            {t('questions.addAccepted')}
          </Button>
        </Form.Item>
      )}
    </Form.List>
  );
}

function Options() {
  const { t } = useTranslation();
  const required = { required: true, whitespace: true, message: t('desk.required') };
  const checkCorrect = (form: { getFieldValue: (name: string) => unknown }) => ({
    validator: (_: unknown, options: { correct?: boolean }[]) => {
      const right = options.filter((option) => option.correct === true).length;
      if (right === 0) return Promise.reject(new Error(t('questions.needCorrect')));
      const isMultiple = form.getFieldValue('kind') === 'multiple';
      return right > 1 && !isMultiple
        ? Promise.reject(new Error(t('questions.needOne')))
        : Promise.resolve();
    },
  });
  return (
    <Form.List name="options" rules={[checkCorrect as never]}>
      {(fields, { add, remove }, { errors }) => (
        <Form.Item label={t('questions.options')}>
          {fields.map((field, index) => (
            <div key={field.key} className="desk-option">
              <Form.Item name={[field.name, 'text']} rules={[required]}>
                <Input
                  aria-label={t('questions.option', { n: index + 1 })}
                  placeholder={t('questions.option', { n: index + 1 })}
                  maxLength={200}
                />
              </Form.Item>
              <Form.Item name={[field.name, 'correct']} valuePropName="checked">
                <Checkbox>{t('questions.correct')}</Checkbox>
              </Form.Item>
              <Button
                type="text"
                icon={<DeleteOutlined />}
                aria-label={t('questions.removeOption')}
                disabled={fields.length <= OPTIONS_MIN}
                onClick={() => remove(field.name)}
              />
            </div>
          ))}
          <Form.ErrorList errors={errors} />
          <Button
            icon={<PlusOutlined />}
            disabled={fields.length >= OPTIONS_MAX}
            onClick={() => add({})}
          >
            {t('questions.addOption')}
          </Button>
        </Form.Item>
      )}
    </Form.List>
  );
}
