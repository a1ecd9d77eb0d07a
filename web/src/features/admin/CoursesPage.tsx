import { useQuery } from '@tanstack/react-query';
import { Button, Drawer, Space } from 'antd';
import type { ColumnsType } from 'antd/es/table';
import { listCourses } from '../../api/library';
import { keys } from '../../api/live';
import type { Course } from '../../api/types';
import { useTranslation } from '../../i18n/useText';
import { unwrap } from '../../lib/result';
import { wholeMinutes } from '../../lib/time';
import { Empty } from '../../ui/State';
import { CourseForm } from './CourseForm';
import { CourseProgress } from './CourseProgress';
import { DeskTable, PAGE_SIZE, usePages } from './DeskTable';
import { PageHead } from './PageHead';
import { useFilters } from './useFilters';

/** Courses of lessons on demand. */
export function CoursesPage() {
  const { t } = useTranslation();
  const { get, set, open } = useFilters();
  const courses = useQuery({
    queryKey: keys.courses,
    queryFn: async () => unwrap(await listCourses()).items,
  });
  const rows = courses.data ?? [];
  const chosen = (key: string) => rows.find((course) => course.id === get(key));
  const [edited, looked] = [chosen('edit'), chosen('progress')];
  const columns: ColumnsType<Course> = [
    { title: t('courses.name'), dataIndex: 'title' },
    {
      title: t('courses.content'),
      key: 'content',
      width: 140,
      render: (_, course) =>
        t('courses.lessonsOf', {
          chapters: course.chapters.length,
          n: course.chapters.reduce((sum, chapter) => sum + chapter.lessons.length, 0),
        }),
    },
    {
      title: t('courses.required'),
      key: 'required',
      width: 160,
      render: (_, course) =>
        course.required_s === 0
          ? t('courses.requiredAll')
          : t('courses.requiredMinutes', { n: wholeMinutes(course.required_s) }),
    },
    { title: t('courses.learners'), dataIndex: 'learners', width: 90 },
    { title: t('courses.unit'), dataIndex: 'unit_name', width: 180 },
    {
      title: t('desk.actions'),
      key: 'actions',
      width: 200,
      render: (_, course) => (
        <Space size={0}>
          <Button
            type="link"
            size="small"
            data-testid="course-progress"
            onClick={() => open({ progress: course.id })}
          >
            {t('courses.progress')}
          </Button>
          <Button type="link" size="small" onClick={() => open({ edit: course.id })}>
            {t('desk.edit')}
          </Button>
        </Space>
      ),
    },
  ];
  const close = () => set({ new: undefined, edit: undefined });
  return (
    <>
      <PageHead
        title={t('desk.courses')}
        create={{
          text: t('courses.create'),
          onClick: () => open({ new: '1' }),
          testId: 'course-create',
        }}
      />
      <DeskTable<Course>
        rowKey="id"
        columns={columns}
        rows={rows}
        loading={courses}
        scroll={{ x: 900 }}
        empty={<Empty icon="play" title={t('courses.empty')} hint={t('courses.emptyHint')} />}
        pagination={{ ...usePages(rows.length), pageSize: PAGE_SIZE }}
      />
      {(get('new') === '1' || edited) && (
        <Drawer
          open
          size={720}
          title={edited ? t('courses.edit') : t('courses.create')}
          mask={{ closable: false }}
          onClose={close}
        >
          <CourseForm course={edited} others={rows} onDone={close} />
        </Drawer>
      )}
      {looked && (
        <Drawer open size={720} title={looked.title} onClose={() => set({ progress: undefined })}>
          <CourseProgress course={looked} />
        </Drawer>
      )}
    </>
  );
}
