import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Button, Form, Input, InputNumber, Segmented, Select, TreeSelect } from 'antd';
import { client } from '../../api/client';
import { changeCourse, createCourse, listFilms } from '../../api/library';
import { keys } from '../../api/live';
import type { Course, CoursePlan, Film } from '../../api/types';
import { useTranslation } from '../../i18n/useText';
import { unwrap } from '../../lib/result';
import { runningTime } from '../../lib/time';
import { API_PAGE_MAX } from './exporting';
import { Refusal } from './Refusal';
import { unitTree, useChange, useUnits } from './queries';

const SPEEDS = [100, 125, 150, 200];
const TITLE_MAX = 100;

interface Draft extends Omit<CoursePlan, 'required_s' | 'about'> {
  about?: string;
  unit_id: string;
  minutes: number;
}

interface Props {
  course?: Course;
  others: Course[];
  onDone: () => void;
}

/** Makes a course, or changes one. */
export function CourseForm({ course, others, onDone }: Props) {
  const { t } = useTranslation();
  const units = useUnits();
  const session = client.session.get();
  const home = session.status === 'signed_in' ? session.me.unit.id : undefined;
  const required = { required: true, whitespace: true, message: t('desk.required') };
  const save = useChange(
    ({ minutes, unit_id, about = '', ...plan }: Draft) => {
      const counts = course?.counts ?? 'progress';
      const whole = { ...plan, about, counts, required_s: minutes * 60 };
      return course ? changeCourse(course.id, whole) : createCourse(unit_id, whole);
    },
    keys.courses,
    { onDone, inForm: true },
  );
  return (
    <Form<Draft>
      layout="vertical"
      requiredMark={false}
      initialValues={{
        title: course?.title,
        about: course?.about,
        unit_id: course?.unit_id ?? home,
        minutes: Math.floor((course?.required_s ?? 0) / 60),
        speed_percent: course?.speed_percent ?? 100,
        prerequisite_ids: course?.prerequisite_ids ?? [],
        chapters: course?.chapters ?? [{ title: '', lessons: [{}] }],
      }}
      onFinish={save.mutate}
    >
      <Form.Item name="title" label={t('courses.name')} rules={[required]}>
        <Input maxLength={TITLE_MAX} data-testid="course-title" />
      </Form.Item>
      <Form.Item name="about" label={t('courses.about')}>
        <Input.TextArea rows={2} maxLength={2000} />
      </Form.Item>
      <Form.Item name="unit_id" label={t('courses.unit')} rules={[required]}>
        <TreeSelect
          treeData={unitTree(units.data ?? [])}
          treeDefaultExpandAll
          disabled={course !== undefined}
        />
      </Form.Item>
      <Form.Item name="minutes" label={t('courses.required')} extra={t('courses.requiredHint')}>
        <InputNumber min={0} max={60_000} precision={0} className="desk-wide" />
      </Form.Item>
      <Form.Item name="speed_percent" label={t('courses.speed')}>
        <Segmented options={SPEEDS.map((speed) => ({ value: speed, label: `${speed / 100}×` }))} />
      </Form.Item>
      <Form.Item name="prerequisite_ids" label={t('courses.prerequisites')}>
        <Select
          mode="multiple"
          allowClear
          showSearch={{ optionFilterProp: 'label' }}
          options={others
            .filter((other) => other.id !== course?.id)
            .map((other) => ({ value: other.id, label: other.title }))}
        />
      </Form.Item>
      <Chapters />
      {course && <p className="hint">{t('courses.anotherFilm')}</p>}
      <Refusal error={save.error} />
      <Button
        type="primary"
        htmlType="submit"
        loading={save.isPending}
        block
        data-testid="course-save"
      >
        {t('app.save')}
      </Button>
    </Form>
  );
}

function Chapters() {
  const { t } = useTranslation();
  const required = { required: true, whitespace: true, message: t('desk.required') };
  return (
    <Form.List name="chapters">
      {(fields, { add, remove }) => (
        <Form.Item label={t('courses.content')}>
          {fields.map((field, index) => (
            <fieldset key={field.key} className="desk-chapter">
              <div className="desk-chapter-head">
                <Form.Item name={[field.name, 'title']} rules={[required]}>
                  <Input
                    maxLength={TITLE_MAX}
                    aria-label={t('courses.chapter', { n: index + 1 })}
                    placeholder={t('courses.chapter', { n: index + 1 })}
                    data-testid="chapter-title"
                  />
                </Form.Item>
                <Button
                  type="text"
                  icon={<DeleteOutlined />}
                  aria-label={t('courses.removeChapter')}
                  onClick={() => remove(field.name)}
                />
              </div>
              <Lessons chapter={field.name} />
            </fieldset>
          ))}
          <Button icon={<PlusOutlined />} onClick={() => add({ title: '', lessons: [{}] })}>
            {t('courses.addChapter')}
          </Button>
        </Form.Item>
      )}
    </Form.List>
  );
}

function Lessons({ chapter }: { chapter: number }) {
  const { t } = useTranslation();
  const form = Form.useFormInstance<Draft>();
  const films = useQuery({
    queryKey: [...keys.films, 'choice'],
    queryFn: async () => unwrap(await listFilms({ page_size: API_PAGE_MAX })).items,
  });
  const usable = (films.data ?? []).filter(
    (film) => film.state !== 'uploading' && film.state !== 'refused',
  );
  const required = { required: true, whitespace: true, message: t('desk.required') };
  /** A lesson without a title is called as its film. */
  const named = (lesson: number, film: Film | undefined) => {
    const path: ['chapters', number, 'lessons', number, 'title'] = [
      'chapters',
      chapter,
      'lessons',
      lesson,
      'title',
    ];
    if (film && !form.getFieldValue(path)) form.setFieldValue(path, film.title);
  };
  return (
    <Form.List name={[chapter, 'lessons']}>
      {(fields, { add, remove }) => (
        <>
          {fields.map((field) => (
            <div key={field.key} className="desk-course-lesson">
              <Form.Item
                name={[field.name, 'film_id']}
                rules={[{ required: true, message: t('desk.required') }]}
              >
                <Select
                  aria-label={t('courses.film')}
                  placeholder={t('courses.film')}
                  showSearch={{ optionFilterProp: 'label' }}
                  data-testid="lesson-film"
                  options={usable.map((film) => ({
                    value: film.id,
                    label: film.duration_ms
                      ? `${film.title} · ${runningTime(film.duration_ms / 1000)}`
                      : film.title,
                  }))}
                  onChange={(id: string) =>
                    named(
                      field.name,
                      usable.find((film) => film.id === id),
                    )
                  }
                />
              </Form.Item>
              <Form.Item name={[field.name, 'title']} rules={[required]}>
                <Input
                  maxLength={TITLE_MAX}
                  aria-label={t('courses.lesson')}
                  placeholder={t('courses.lesson')}
                />
              </Form.Item>
              <Button
                type="text"
                icon={<DeleteOutlined />}
                aria-label={t('courses.removeLesson')}
                onClick={() => remove(field.name)}
              />
            </div>
          ))}
          <Button type="dashed" size="small" icon={<PlusOutlined />} onClick={() => add({})}>
            {t('courses.addLesson')}
          </Button>
        </>
      )}
    </Form.List>
  );
}
