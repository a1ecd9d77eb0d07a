import { useQuery } from '@tanstack/react-query';
import {
  App,
  Button,
  Checkbox,
  DatePicker,
  Drawer,
  Form,
  Input,
  Select,
  Skeleton,
  TreeSelect,
} from 'antd';
import dayjs, { type Dayjs } from 'dayjs';
import { useState } from 'react';
import {
  createLesson,
  editLesson,
  lessonLearners,
  listPeople,
  setLessonLearners,
} from '../../api/calls';
import { client } from '../../api/client';
import { keys } from '../../api/live';
import type { Lesson, Person } from '../../api/types';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { success, unwrap } from '../../lib/result';
import { API_PAGE_MAX, everyPage } from './exporting';
import { Refusal } from './Refusal';
import { unitTree, useChange, usePeople, useUnits } from './queries';

interface Draft {
  title: string;
  unit_id: string;
  teacher_id?: string;
  time: [Dayjs, Dayjs];
  learner_ids: string[];
  face_checks: boolean;
}

/** People offered at once; more are found by searching. */
const OFFERED_MAX = 50;

/** Arranges a new lesson, or changes one that has not begun. */
export function LessonDrawer({ lesson, onClose }: { lesson?: Lesson; onClose: () => void }) {
  const { t } = useTranslation();
  const learners = useQuery({
    queryKey: [...keys.lesson(lesson?.id ?? ''), 'learners'],
    queryFn: async () => unwrap(await lessonLearners(lesson?.id ?? '')).items,
    enabled: lesson !== undefined,
  });
  const isReady = lesson === undefined || learners.isSuccess;
  return (
    <Drawer
      open
      size={560}
      title={lesson ? t('lessons.editTitle') : t('lessons.create')}
      mask={{ closable: false }}
      onClose={onClose}
    >
      {isReady ? (
        <LessonForm lesson={lesson} chosen={learners.data ?? []} onDone={onClose} />
      ) : (
        <Skeleton active />
      )}
    </Drawer>
  );
}

/** Lessons know their learners by account; a person without one cannot be chosen. */
function accountOf(person: Person): string[] {
  return person.account_id ? [person.account_id] : [];
}

function firstTime(): [Dayjs, Dayjs] {
  const start = dayjs().add(1, 'hour').startOf('hour');
  return [start, start.add(1, 'hour')];
}

async function save(lesson: Lesson | undefined, draft: Draft) {
  const times = {
    starts_at: draft.time[0].toISOString(),
    ends_at: draft.time[1].toISOString(),
  };
  const { title, unit_id, teacher_id, learner_ids, face_checks } = draft;
  if (!lesson) {
    return createLesson({ title, unit_id, teacher_id, learner_ids, face_checks, ...times });
  }
  const edited = await editLesson(lesson.id, { title, ...times });
  if (!edited.ok) return edited;
  const set = await setLessonLearners(lesson.id, learner_ids);
  return set.ok ? success(edited.value) : set;
}

interface FormProps {
  lesson?: Lesson;
  chosen: Person[];
  onDone: () => void;
}

function LessonForm({ lesson, chosen, onDone }: FormProps) {
  const { t } = useTranslation();
  const session = client.session.get();
  const home = session.status === 'signed_in' ? session.me.unit.id : undefined;
  const units = useUnits();
  const teachers = usePeople({ role: 'teacher', page_size: API_PAGE_MAX }, lesson === undefined);
  const [form] = Form.useForm<Draft>();
  const required = { required: true, message: t('desk.required') };
  const change = useChange((draft: Draft) => save(lesson, draft), keys.lessons, {
    onDone,
    inForm: true,
  });
  return (
    <Form<Draft>
      form={form}
      layout="vertical"
      requiredMark={false}
      initialValues={{
        title: lesson?.title,
        unit_id: lesson?.unit.id ?? home,
        time: lesson ? [dayjs(lesson.starts_at), dayjs(lesson.ends_at)] : firstTime(),
        learner_ids: chosen.flatMap(accountOf),
        face_checks: lesson?.face_checks === true,
      }}
      onFinish={change.mutate}
    >
      <Form.Item name="title" label={t('lessons.name')} rules={[{ ...required, whitespace: true }]}>
        <Input maxLength={120} data-testid="lesson-title" />
      </Form.Item>
      <Form.Item name="unit_id" label={t('lessons.unit')} rules={[required]}>
        <TreeSelect
          treeData={unitTree(units.data ?? [])}
          treeDefaultExpandAll
          disabled={lesson !== undefined}
        />
      </Form.Item>
      {lesson ? (
        <Form.Item label={t('lessons.teacher')} extra={t('lessons.keepTeacher')}>
          <Input disabled value={lesson.teacher?.name ?? t('home.noTeacher')} />
        </Form.Item>
      ) : (
        <Form.Item name="teacher_id" label={t('lessons.teacher')} extra={t('lessons.teacherHint')}>
          <Select
            allowClear
            showSearch={{ optionFilterProp: 'label' }}
            options={(teachers.data?.items ?? []).flatMap((person) =>
              person.account_id
                ? [{ value: person.account_id, label: `${person.name} · ${person.unit.name}` }]
                : [],
            )}
          />
        </Form.Item>
      )}
      <Form.Item name="time" label={t('lessons.time')} rules={[required]}>
        <DatePicker.RangePicker
          showTime={{ format: 'HH:mm', minuteStep: 5 }}
          format="YYYY-MM-DD HH:mm"
          className="desk-wide"
        />
      </Form.Item>
      <Form.Item name="learner_ids" label={t('lessons.learners')}>
        <LearnerSelect known={chosen} unitId={() => form.getFieldValue('unit_id') as string} />
      </Form.Item>
      <Form.Item
        name="face_checks"
        valuePropName="checked"
        extra={lesson ? t('faces.lessonKept') : t('faces.lessonHint')}
      >
        <Checkbox disabled={lesson !== undefined} data-testid="lesson-faces">
          {t('faces.lesson')}
        </Checkbox>
      </Form.Item>
      <Refusal error={change.error} />
      <Button type="primary" htmlType="submit" loading={change.isPending} block>
        {t('app.save')}
      </Button>
    </Form>
  );
}

interface LearnerSelectProps {
  /** Given by the form, so that its label names the field. */
  id?: string;
  known: Person[];
  unitId: () => string;
  value?: string[];
  onChange?: (ids: string[]) => void;
}

export function LearnerSelect({ id, known, unitId, value = [], onChange }: LearnerSelectProps) {
  const { t } = useTranslation();
  const { message } = App.useApp();
  const problemText = useProblemText();
  const [q, setQ] = useState('');
  const [added, setAdded] = useState<Person[]>([]);
  const [busy, setBusy] = useState(false);
  const found = usePeople({ role: 'learner', q, page_size: OFFERED_MAX });
  const people = new Map(
    [...known, ...added, ...(found.data?.items ?? [])].flatMap((person) =>
      accountOf(person).map((account): [string, Person] => [account, person]),
    ),
  );
  const addUnit = async () => {
    setBusy(true);
    const unit_id = unitId();
    const result = await everyPage((page, page_size) =>
      listPeople({ role: 'learner', unit_id, page, page_size }),
    );
    setBusy(false);
    if (!result.ok) {
      void message.error(problemText(result.error));
      return;
    }
    const active = result.value.filter((person) => !person.disabled);
    setAdded([...added, ...active]);
    onChange?.([...new Set([...value, ...active.flatMap(accountOf)])]);
  };
  return (
    <div className="desk-learners">
      <Select
        id={id}
        mode="multiple"
        value={value}
        maxTagCount={20}
        showSearch={{ filterOption: false, onSearch: setQ }}
        loading={found.isFetching}
        options={[...people].map(([account, person]) => ({
          value: account,
          label: `${person.name} · ${person.unit.name}`,
        }))}
        onChange={(ids: string[]) => {
          setAdded([...people].flatMap(([id, person]) => (ids.includes(id) ? [person] : [])));
          onChange?.(ids);
        }}
      />
      <div className="desk-learners-foot">
        <span className="hint">{t('lessons.chosen', { n: value.length })}</span>
        <Button size="small" loading={busy} onClick={() => void addUnit()}>
          {t('lessons.addUnit')}
        </Button>
      </div>
    </div>
  );
}
