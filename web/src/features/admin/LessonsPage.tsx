import { EllipsisOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { App, Button, Dropdown, Segmented, Space, Table } from 'antd';
import type { ColumnsType } from 'antd/es/table';
import { useState } from 'react';
import { useLocation } from 'wouter';
import { actOnLesson, listLessons, type LessonAction } from '../../api/calls';
import { keys } from '../../api/live';
import type { Lesson, LessonScope } from '../../api/types';
import { useTranslation } from '../../i18n/useText';
import { downloadCsv } from '../../lib/csv';
import { unwrap } from '../../lib/result';
import { dateTime } from '../../lib/time';
import { lessonTone } from '../../ui/lessonTone';
import { Empty, StateTag } from '../../ui/State';
import { LessonDrawer } from './LessonDrawer';
import { PageHead } from './PageHead';
import { useChange } from './queries';
import { useFilters } from './useFilters';

const PAGE_SIZE = 20;

function scopeOf(text: string): LessonScope {
  return text === 'upcoming' || text === 'past' ? text : 'today';
}

export function LessonsPage() {
  const { t, i18n } = useTranslation();
  const [get, set] = useFilters();
  const [edited, setEdited] = useState<Lesson>();
  const scope = scopeOf(get('scope'));
  const page = Number(get('page') || '1');
  const lessons = useQuery({
    queryKey: [...keys.lessons, scope, page],
    queryFn: async () => unwrap(await listLessons(scope, page, PAGE_SIZE)),
    placeholderData: (before) => before,
  });
  const rows = lessons.data?.items ?? [];
  const columns = useColumns(setEdited);
  const exportAll = () =>
    downloadCsv(
      t('desk.lessons'),
      [
        t('lessons.name'),
        t('lessons.unit'),
        t('lessons.teacher'),
        t('lessons.starts'),
        t('lessons.ends'),
        t('lessons.learners'),
        t('lessons.state'),
      ],
      rows.map((lesson) => [
        lesson.title,
        lesson.unit.name,
        lesson.teacher?.name ?? '',
        dateTime(lesson.starts_at, i18n.language),
        dateTime(lesson.ends_at, i18n.language),
        lesson.learners,
        t(`lessonState.${lesson.state}`),
      ]),
    );
  return (
    <>
      <PageHead
        title={t('desk.lessons')}
        onExport={exportAll}
        create={{
          text: t('lessons.create'),
          onClick: () => set({ new: '1' }),
          testId: 'lesson-create',
        }}
      >
        <Segmented<LessonScope>
          value={scope}
          options={[
            { value: 'today', label: t('lessons.scopeToday') },
            { value: 'upcoming', label: t('lessons.scopeUpcoming') },
            { value: 'past', label: t('lessons.scopePast') },
          ]}
          onChange={(next) => set({ scope: next, page: undefined })}
        />
      </PageHead>
      <Table<Lesson>
        rowKey="id"
        size="middle"
        columns={columns}
        dataSource={rows}
        loading={lessons.isPending || lessons.isPlaceholderData}
        scroll={{ x: 960 }}
        onRow={(lesson) => ({ 'data-testid': 'lesson-row', 'data-id': lesson.id }) as object}
        locale={{
          emptyText: (
            <Empty icon="calendar" title={t('lessons.empty')} hint={t('lessons.emptyHint')} />
          ),
        }}
        pagination={{
          current: page,
          pageSize: PAGE_SIZE,
          total: lessons.data?.total ?? 0,
          showSizeChanger: false,
          showTotal: (n) => t('desk.total', { n }),
          onChange: (next) => set({ page: String(next) }),
        }}
      />
      {get('new') === '1' && <LessonDrawer onClose={() => set({ new: undefined })} />}
      {edited && <LessonDrawer lesson={edited} onClose={() => setEdited(undefined)} />}
    </>
  );
}

function useColumns(edit: (lesson: Lesson) => void): ColumnsType<Lesson> {
  const { t, i18n } = useTranslation();
  return [
    { title: t('lessons.name'), dataIndex: 'title' },
    { title: t('lessons.unit'), dataIndex: ['unit', 'name'], width: 180 },
    {
      title: t('lessons.teacher'),
      key: 'teacher',
      width: 120,
      render: (_, lesson) => lesson.teacher?.name ?? t('home.noTeacher'),
    },
    {
      title: t('lessons.starts'),
      dataIndex: 'starts_at',
      width: 170,
      render: (at: string) => dateTime(at, i18n.language),
    },
    { title: t('lessons.learners'), dataIndex: 'learners', width: 110, align: 'right' },
    {
      title: t('lessons.state'),
      dataIndex: 'state',
      width: 130,
      render: (state: Lesson['state']) => (
        <StateTag tone={lessonTone(state)}>{t(`lessonState.${state}`)}</StateTag>
      ),
    },
    {
      title: <span className="visually-hidden">{t('desk.actions')}</span>,
      key: 'actions',
      width: 170,
      fixed: 'right',
      render: (_, lesson) => <RowActions lesson={lesson} onEdit={() => edit(lesson)} />,
    },
  ];
}

function RowActions({ lesson, onEdit }: { lesson: Lesson; onEdit: () => void }) {
  const { t } = useTranslation();
  const { modal } = App.useApp();
  const [, navigate] = useLocation();
  const act = useChange((action: LessonAction) => actOnLesson(lesson.id, action), keys.lessons);
  const isScheduled = lesson.state === 'scheduled';
  const isOn = lesson.state === 'live' || lesson.state === 'break';
  const ask = (action: 'start' | 'cancel') =>
    void modal.confirm({
      title: t(`lessons.${action}Title`, { name: lesson.title }),
      content: t(`lessons.${action}Text`),
      okText: t(`lessons.${action}`),
      okButtonProps: { danger: action === 'cancel' },
      onOk: () => act.mutateAsync(action).catch(() => undefined),
    });
  if (!isScheduled && !isOn) return null;
  return (
    <Space>
      {isScheduled ? (
        <Button size="small" onClick={() => ask('start')}>
          {t('lessons.start')}
        </Button>
      ) : (
        <Button size="small" type="primary" onClick={() => navigate(`/lessons/${lesson.id}`)}>
          {t('lessons.enter')}
        </Button>
      )}
      {isScheduled && (
        <Dropdown
          trigger={['click']}
          menu={{
            items: [
              { key: 'edit', label: t('desk.edit'), onClick: onEdit },
              {
                key: 'cancel',
                danger: true,
                label: t('lessons.cancel'),
                onClick: () => ask('cancel'),
              },
            ],
          }}
        >
          <Button
            type="text"
            size="small"
            icon={<EllipsisOutlined />}
            aria-label={`${t('desk.actions')}: ${lesson.title}`}
          />
        </Dropdown>
      )}
    </Space>
  );
}
