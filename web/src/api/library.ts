import type { Result } from '../lib/result';
import { client, withQuery } from './client';
import type {
  Course,
  CoursePlan,
  Film,
  Items,
  LearnerStanding,
  MyCourse,
  Page,
  Person,
  Play,
  PlayState,
} from './types';

type Answer<T> = Promise<Result<T>>;

const { get, send } = client;

export interface FilmsFilter {
  q?: string;
  ready?: boolean;
  page?: number;
  page_size?: number;
}

export const listFilms = ({ ready, ...filter }: FilmsFilter): Answer<Page<Film>> =>
  get(withQuery('/api/library/films', { ...filter, ready: ready === true ? 'true' : undefined }));

export const renameFilm = (id: string, title: string): Answer<Film> =>
  send('PATCH', `/api/library/films/${id}`, { title });

export const removeFilm = (id: string): Answer<undefined> =>
  send('DELETE', `/api/library/films/${id}`);

export const listCourses = (): Answer<Items<Course>> => get('/api/courses');

export const createCourse = (unitId: string, plan: CoursePlan): Answer<Course> =>
  send('POST', '/api/courses', { unit_id: unitId, ...plan });

export const changeCourse = (id: string, plan: CoursePlan): Answer<Course> =>
  send('PUT', `/api/courses/${id}`, plan);

export const courseLearners = (id: string): Answer<Items<Person>> =>
  get(`/api/courses/${id}/learners`);

export const setCourseLearners = (id: string, learnerIds: string[]): Answer<undefined> =>
  send('PUT', `/api/courses/${id}/learners`, { learner_ids: learnerIds });

export const courseProgress = (id: string): Answer<Items<LearnerStanding>> =>
  get(`/api/courses/${id}/progress`);

export const myCourses = (): Answer<Items<MyCourse>> => get('/api/me/courses');

export const playLesson = (id: string, deviceId: string, takeOver: boolean): Answer<Play> =>
  send('POST', `/api/course-lessons/${id}/play`, { device_id: deviceId, take_over: takeOver });

export const beatPlayback = (
  id: string,
  said: { position_ms: number; playing: boolean; visible: boolean },
): Answer<PlayState> => send('POST', `/api/playbacks/${id}/beat`, said);

export const endPlayback = (id: string): Answer<undefined> =>
  send('POST', `/api/playbacks/${id}/end`);
