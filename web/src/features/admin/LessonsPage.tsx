import { EllipsisOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { App, Button, Dropdown, Segmented, Space } from 'antd';
import type { ColumnsType } from 'antd/es/table';
import { useState } from 'react';
import { useLocation } from 'wouter';
import { actOnLesson, listLessons } from '../../api/calls';
import { keys } from '../../api/live';
import type { Lesson, LessonScope } from '../../api/types';
import type { Translate } from '../../i18n/texts';
import { useTranslation } from '../../i18n/useText';
import { success, unwrap } from '../../lib/result';
import { dateTime } from '../../lib/time';
import { lessonTone } from '../../ui/lessonTone';
import { Empty, StateTag } from '../../ui/State';
import { AttendanceDrawer } from './AttendanceDrawer';
import { BulkBar, useBulk } from './Bulk';
import { DeskTable, PAGE_SIZE, pageOf, usePages } from './DeskTable';
import { everyPage, exportCsv, type CsvColumn } from './exporting';
import { LessonDrawer } from './LessonDrawer';
import { PageHead } from './PageHead';
import { useChange } from './queries';
import { useFilters } from './useFilters';

function scopeOf(text: string): LessonScope {
  return text === 'upcoming' || text === 'past' ? text : 'today';
}

export function LessonsPage() {
  const { t, i18n } = useTranslation();
  const { get, set, open } = useFilters();
  const [ticked, setTicked] = useState<string[]>([]);
  const scope = scopeOf(get('scope'));
  const page = pageOf(get('page'));
  const lessons = useQuery({
    queryKey: [...keys.lessons, scope, page],
    queryFn: async () => unwrap(await listLessons(scope, page, PAGE_SIZE)),
    placeholderData: (before) => before,
  });
  const rows = lessons.data?.items ?? [];
  const columns = useColumns();
  const exportAll = async () => {
    const all = await everyPage((each, size) => listLessons(scope, each, size));
    if (!all.ok) return all;
    return success(exportCsv(t('desk.lessons'), csvColumns(t, i18n.language), all.value));
  };
  return (
    <>
      <PageHead
        title={t('desk.lessons')}
        onExport={exportAll}
        create={{
          text: t('lessons.create'),
          onClick: () => open({ new: '1' }),
          testId: 'lesson-create',
        }}
      >
        <Segmented<LessonScope>
          aria-label={t('lessons.time')}
          value={scope}
          options={[
            { value: 'today', label: t('lessons.scopeToday') },
            { value: 'upcoming', label: t('lessons.scopeUpcoming') },
            { value: 'past', label: t('lessons.scopePast') },
          ]}
          onChange={(next) => {
            setTicked([]);
            set({ scope: next, page: undefined });
          }}
        />
      </PageHead>
      <Chosen
        lessons={rows.filter((lesson) => ticked.includes(lesson.id))}
        onClear={() => setTicked([])}
      />
      <DeskTable<Lesson>
        rowKey="id"
        columns={columns}
        rows={rows}
        loading={lessons}
        scroll={{ x: 1000 }}
        rowSelection={
          scope === 'past'
            ? undefined
            : {
                selectedRowKeys: ticked,
                onChange: (chosen) => setTicked(chosen.map(String)),
                getCheckboxProps: (lesson) => ({
                  disabled: lesson.state !== 'scheduled',
                  'aria-label': t('desk.choose', { name: lesson.title }),
                }),
              }
        }
        onRow={(lesson) => ({ 'data-testid': 'lesson-row', 'data-id': lesson.id }) as object}
        empty={<NoLessons scope={scope} />}
        pagination={usePages(lessons.data?.total)}
      />
      <Opened rows={rows} />
    </>
  );
}

function NoLessons({ scope }: { scope: LessonScope }) {
  const { t } = useTranslation();
  if (scope === 'past') {
    return (
      <Empty icon="calendar" title={t('lessons.emptyPast')} hint={t('lessons.emptyPastHint')} />
    );
  }
  return <Empty icon="calendar" title={t('lessons.empty')} hint={t('lessons.emptyHint')} />;
}

/** What the address says is open over the table. */
function Opened({ rows }: { rows: Lesson[] }) {
  const { get, set } = useFilters();
  const close = () => set({ new: undefined, edit: undefined, attendance: undefined });
  const edited = rows.find((lesson) => lesson.id === get('edit'));
  if (get('new') === '1') return <LessonDrawer onClose={close} />;
  if (edited) return <LessonDrawer lesson={edited} onClose={close} />;
  if (get('attendance')) return <AttendanceDrawer lessonId={get('attendance')} onClose={close} />;
  return null;
}

function Chosen({ lessons, onClear }: { lessons: Lesson[]; onClear: () => void }) {
  const { t } = useTranslation();
  const { modal } = App.useApp();
  const bulk = useBulk<Lesson>(keys.lessons);
  const ask = () =>
    void modal.confirm({
      title: t('lessons.cancelManyTitle', { n: lessons.length }),
      content: t('lessons.cancelText'),
      okText: t('lessons.cancel'),
      cancelText: t('app.back'),
      okButtonProps: { danger: true },
      onOk: () => bulk.run(lessons, (lesson) => actOnLesson(lesson.id, 'cancel')).then(onClear),
    });
  return (
    <BulkBar count={lessons.length} onClear={onClear}>
      <Button
        size="small"
        danger
        loading={bulk.progress !== undefined}
        data-testid="bulk-cancel"
        onClick={ask}
      >
        {t('lessons.cancel')}
      </Button>
      {bulk.progress && <span role="status">{t('desk.progress', bulk.progress)}</span>}
    </BulkBar>
  );
}

function csvColumns(t: Translate, language: string): CsvColumn<Lesson>[] {
  return [
    { title: t('lessons.name'), value: (lesson) => lesson.title },
    { title: t('lessons.unit'), value: (lesson) => lesson.unit.name },
    { title: t('lessons.teacher'), value: (lesson) => lesson.teacher?.name ?? '' },
    { title: t('lessons.starts'), value: (lesson) => dateTime(lesson.starts_at, language) },
    { title: t('lessons.ends'), value: (lesson) => dateTime(lesson.ends_at, language) },
    { title: t('lessons.learners'), value: (lesson) => lesson.learners },
    {
      title: t('faces.lesson'),
      value: (lesson) => (lesson.face_checks === true ? t('faces.lessonYes') : t('faces.lessonNo')),
    },
    { title: t('lessons.state'), value: (lesson) => t(`lessonState.${lesson.state}`) },
  ];
}

function useColumns(): ColumnsType<Lesson> {
  const { t, i18n } = useTranslation();
  return [
    {
      title: t('lessons.name'),
      key: 'title',
      render: (_, lesson) => (
        <Space size={[8, 4]} wrap>
          {lesson.title}
          {lesson.face_checks === true && (
            <StateTag tone="neutral" icon="face">
              {t('faces.lesson')}
            </StateTag>
          )}
        </Space>
      ),
    },
    { title: t('lessons.unit'), dataIndex: ['unit', 'name'], width: 160 },
    {
      title: t('lessons.teacher'),
      key: 'teacher',
      width: 110,
      render: (_, lesson) => lesson.teacher?.name ?? t('home.noTeacher'),
    },
    {
      title: t('lessons.starts'),
      dataIndex: 'starts_at',
      width: 160,
      render: (at: string) => dateTime(at, i18n.language),
    },
    { title: t('lessons.learners'), dataIndex: 'learners', width: 100, align: 'right' },
    {
      title: t('lessons.state'),
      dataIndex: 'state',
      width: 120,
      render: (state: Lesson['state']) => (
        <StateTag tone={lessonTone(state)}>{t(`lessonState.${state}`)}</StateTag>
      ),
    },
    {
      title: <span className="visually-hidden">{t('desk.actions')}</span>,
      key: 'actions',
      width: 164,
      fixed: 'right',
      render: (_, lesson) => <RowActions lesson={lesson} />,
    },
  ];
}

function RowActions({ lesson }: { lesson: Lesson }) {
  switch (lesson.state) {
    case 'scheduled':
      return <ScheduledActions lesson={lesson} />;
    case 'live':
    case 'break':
      return (
        <Space size={4}>
          <EnterButton lesson={lesson} />
          <AttendanceButton lesson={lesson} />
        </Space>
      );
    case 'ended':
      return <AttendanceButton lesson={lesson} />;
    case 'cancelled':
      return null;
  }
}

function EnterButton({ lesson }: { lesson: Lesson }) {
  const { t } = useTranslation();
  const [, navigate] = useLocation();
  return (
    <Button size="small" type="primary" onClick={() => navigate(`/lessons/${lesson.id}`)}>
      {t('lessons.enter')}
    </Button>
  );
}

function AttendanceButton({ lesson }: { lesson: Lesson }) {
  const { t } = useTranslation();
  const { open } = useFilters();
  return (
    <Button
      size="small"
      data-testid="lesson-attendance"
      aria-label={`${t('lessons.attendance')}: ${lesson.title}`}
      onClick={() => open({ attendance: lesson.id })}
    >
      {t('lessons.attendance')}
    </Button>
  );
}

function ScheduledActions({ lesson }: { lesson: Lesson }) {
  const { t } = useTranslation();
  const { modal } = App.useApp();
  const { open } = useFilters();
  const act = useChange(
    (action: 'start' | 'cancel') => actOnLesson(lesson.id, action),
    keys.lessons,
  );
  const ask = (action: 'start' | 'cancel') =>
    void modal.confirm({
      title: t(`lessons.${action}Title`, { name: lesson.title }),
      content: t(`lessons.${action}Text`),
      okText: t(`lessons.${action}`),
      // The other button must not read as if it cancelled the lesson.
      cancelText: t('app.back'),
      okButtonProps: { danger: action === 'cancel' },
      onOk: () => act.mutateAsync(action).catch(() => undefined),
    });
  const items = [
    { key: 'edit', label: t('desk.edit'), onClick: () => open({ edit: lesson.id }) },
    { key: 'cancel', danger: true, label: t('lessons.cancel'), onClick: () => ask('cancel') },
  ];
  return (
    <Space size={4}>
      <Button size="small" onClick={() => ask('start')}>
        {t('lessons.start')}
      </Button>
      <Dropdown trigger={['click']} menu={{ items }}>
        <Button
          type="text"
          size="small"
          icon={<EllipsisOutlined />}
          data-testid="lesson-menu"
          aria-label={`${t('desk.actions')}: ${lesson.title}`}
        />
      </Dropdown>
    </Space>
  );
}
