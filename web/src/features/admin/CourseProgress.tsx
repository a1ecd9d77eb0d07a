import { useQuery } from '@tanstack/react-query';
import { Button, Form, Skeleton } from 'antd';
import type { ColumnsType } from 'antd/es/table';
import { useState } from 'react';
import { courseLearners, courseProgress, setCourseLearners } from '../../api/library';
import { keys } from '../../api/live';
import type { Course, LearnerStanding, Person } from '../../api/types';
import { useTranslation } from '../../i18n/useText';
import { success, unwrap } from '../../lib/result';
import { wholeMinutes } from '../../lib/time';
import { Empty, StateTag } from '../../ui/State';
import { DeskTable, PAGE_SIZE } from './DeskTable';
import { exportCsv } from './exporting';
import { LearnerSelect } from './LessonDrawer';
import { ExportButton } from './PageHead';
import { Refusal } from './Refusal';
import { useChange } from './queries';

/** Who takes a course, and how far everybody is. */
export function CourseProgress({ course }: { course: Course }) {
  const { t } = useTranslation();
  const [choosing, setChoosing] = useState(false);
  const progress = useQuery({
    queryKey: [...keys.courses, course.id, 'progress'],
    queryFn: async () => unwrap(await courseProgress(course.id)).items,
  });
  const rows = progress.data ?? [];
  const stateText = (row: LearnerStanding) => {
    if (row.complete) return t('courses.complete');
    return row.watched_s > 0 ? t('courses.going') : t('courses.notBegun');
  };
  const columns: ColumnsType<LearnerStanding> = [
    { title: t('courses.learners'), dataIndex: 'name' },
    {
      title: t('courses.watched'),
      key: 'watched',
      width: 120,
      render: (_, row) => t('courses.requiredMinutes', { n: wholeMinutes(row.watched_s) }),
    },
    {
      title: t('courses.finished'),
      key: 'finished',
      width: 120,
      render: (_, row) => `${row.lessons_finished} / ${row.lessons}`,
    },
    {
      title: t('courses.state'),
      key: 'state',
      width: 130,
      render: (_, row) => (
        <StateTag tone={row.complete ? 'ok' : row.watched_s > 0 ? 'waiting' : 'neutral'}>
          {stateText(row)}
        </StateTag>
      ),
    },
  ];
  if (choosing) return <LearnersForm course={course} onDone={() => setChoosing(false)} />;
  const exportAll = () =>
    Promise.resolve(
      success(
        exportCsv(
          course.title,
          [
            { title: t('courses.learners'), value: (row: LearnerStanding) => row.name },
            { title: t('courses.watched'), value: (row) => wholeMinutes(row.watched_s) },
            { title: t('courses.finished'), value: (row) => row.lessons_finished },
            { title: t('courses.state'), value: stateText },
          ],
          rows,
        ),
      ),
    );
  return (
    <>
      <div className="desk-drawer-actions">
        <Button type="primary" data-testid="course-learners" onClick={() => setChoosing(true)}>
          {t('courses.editLearners')}
        </Button>
        {rows.length > 0 && <ExportButton onExport={exportAll} />}
      </div>
      <DeskTable<LearnerStanding>
        rowKey="account_id"
        columns={columns}
        rows={rows}
        loading={progress}
        empty={
          <Empty icon="people" title={t('courses.noLearners')} hint={t('courses.noLearnersHint')} />
        }
        pagination={{ pageSize: PAGE_SIZE, hideOnSinglePage: true }}
      />
    </>
  );
}

function LearnersForm({ course, onDone }: { course: Course; onDone: () => void }) {
  const { t } = useTranslation();
  const learners = useQuery({
    queryKey: [...keys.courses, course.id, 'learners'],
    queryFn: async () => unwrap(await courseLearners(course.id)).items,
    gcTime: 0,
  });
  const save = useChange(
    ({ learner_ids }: { learner_ids: string[] }) => setCourseLearners(course.id, learner_ids),
    keys.courses,
    { onDone, inForm: true },
  );
  if (!learners.data) return <Skeleton active />;
  const accounts = (person: Person) => (person.account_id ? [person.account_id] : []);
  return (
    <Form
      layout="vertical"
      requiredMark={false}
      initialValues={{ learner_ids: learners.data.flatMap(accounts) }}
      onFinish={save.mutate}
    >
      <Form.Item name="learner_ids" label={t('courses.learners')}>
        <LearnerSelect known={learners.data} unitId={() => course.unit_id} />
      </Form.Item>
      <Refusal error={save.error} />
      <Button
        type="primary"
        htmlType="submit"
        loading={save.isPending}
        block
        data-testid="course-learners-save"
      >
        {t('app.save')}
      </Button>
    </Form>
  );
}
