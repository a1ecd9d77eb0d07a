import type { Result } from '../lib/result';
import { client, withQuery } from './client';
import type {
  Attendance,
  AttendanceSummary,
  AuditEntry,
  Board,
  ChatMessage,
  CheckAnswer,
  Heartbeat,
  Items,
  Join,
  Lesson,
  LessonScope,
  Page,
  Person,
  Question,
  QuestionImport,
  QuestionKind,
  Role,
  ServerInfo,
  ShownRound,
  StaffRound,
  Unit,
} from './types';

type Answer<T> = Promise<Result<T>>;

const { get, send } = client;

export type LessonAction = 'start' | 'end' | 'break' | 'resume' | 'cancel';

export const serverInfo = (): Answer<ServerInfo> => get('/api/server');

export const changePassword = (oldPassword: string, newPassword: string): Answer<undefined> =>
  send('POST', '/api/me/password', { old_password: oldPassword, new_password: newPassword });

export const listLessons = (
  scope: LessonScope,
  page?: number,
  pageSize?: number,
): Answer<Page<Lesson>> => get(withQuery('/api/lessons', { scope, page, page_size: pageSize }));

export const getLesson = (id: string): Answer<Lesson> => get(`/api/lessons/${id}`);

export interface LessonDraft {
  title: string;
  unit_id: string;
  teacher_id?: string;
  starts_at: string;
  ends_at: string;
  learner_ids: string[];
  /** Learners are known by their faces; decided with the plan, for good. */
  face_checks?: boolean;
}

export const createLesson = (draft: LessonDraft): Answer<Lesson> =>
  send('POST', '/api/lessons', draft);

export const editLesson = (
  id: string,
  change: Partial<Pick<LessonDraft, 'title' | 'starts_at' | 'ends_at'>>,
): Answer<Lesson> => send('PATCH', `/api/lessons/${id}`, change);

export const lessonLearners = (id: string): Answer<Items<Person>> =>
  get(`/api/lessons/${id}/learners`);

export const setLessonLearners = (id: string, learnerIds: string[]): Answer<undefined> =>
  send('PUT', `/api/lessons/${id}/learners`, { learner_ids: learnerIds });

export const actOnLesson = (id: string, action: LessonAction): Answer<Lesson> =>
  send('POST', `/api/lessons/${id}/${action}`);

export const joinLesson = (id: string, deviceId: string): Answer<Join> =>
  send('POST', `/api/lessons/${id}/join`, { device_id: deviceId });

export const getBoard = (id: string): Answer<Board> => get(`/api/lessons/${id}/board`);

export const askPresence = (id: string, learnerIds?: string[]): Answer<{ asked: number }> =>
  send('POST', `/api/lessons/${id}/check`, learnerIds ? { learner_ids: learnerIds } : {});

export const askQuestion = (
  id: string,
  questionId: string,
): Answer<{ asked: number; round_id: string }> =>
  send('POST', `/api/lessons/${id}/question`, { question_id: questionId });

export const listMessages = (id: string): Answer<Items<ChatMessage>> =>
  get(`/api/lessons/${id}/chat`);

export const sendMessage = (id: string, text: string): Answer<ChatMessage> =>
  send('POST', `/api/lessons/${id}/chat`, { text });

export const listRounds = (id: string): Answer<Items<StaffRound>> =>
  get(`/api/lessons/${id}/rounds`);

export const shownRounds = (id: string): Answer<Items<ShownRound>> =>
  get(`/api/lessons/${id}/rounds/shown`);

export interface PollDraft {
  text: string;
  options: string[];
  multiple: boolean;
  seconds: number;
}

export const openPoll = (id: string, poll: PollDraft): Answer<StaffRound> =>
  send('POST', `/api/lessons/${id}/poll`, poll);

export const closePoll = (roundId: string): Answer<StaffRound> =>
  send('POST', `/api/rounds/${roundId}/close`);

/** By places of options. */
export const votePoll = (roundId: string, options: number[]): Answer<undefined> =>
  send('POST', `/api/rounds/${roundId}/vote`, { options });

/** The whole chat as CSV. */
export const exportChat = (id: string): Answer<string> =>
  client.getText(`/api/lessons/${id}/chat/export`);

/** Lets learners write and speak, or listen only. */
export const setInteraction = (id: string, allowed: boolean): Answer<Lesson> =>
  send('POST', `/api/lessons/${id}/interaction`, { allowed });

export const muteAll = (id: string): Answer<undefined> =>
  send('POST', `/api/lessons/${id}/mute-all`);

export const removeFromLesson = (id: string, accountId: string): Answer<undefined> =>
  send('POST', `/api/lessons/${id}/remove`, { account_id: accountId });

/** Calls on somebody in the room, or takes the floor back. */
export const giveFloor = (id: string, accountId: string, given: boolean): Answer<undefined> =>
  send('POST', `/api/lessons/${id}/floor`, { account_id: accountId, given });

export const sendHeartbeat = (
  attendanceId: string,
  state: { visible: boolean; playing: boolean; device_id: string },
): Answer<Heartbeat> => send('POST', `/api/attendances/${attendanceId}/heartbeat`, state);

export type PromptAnswer = { present: true } | { keys: string[] } | { text: string };

export const answerCheck = (
  checkId: string,
  nonce: string,
  answer: PromptAnswer,
): Answer<CheckAnswer> => send('POST', `/api/checks/${checkId}/answer`, { nonce, answer });

export const myAttendances = (
  page?: number,
): Answer<Page<AttendanceSummary> & { credited_seconds_total: number }> =>
  get(withQuery('/api/me/attendances', { page }));

export const getAttendance = (id: string): Answer<Attendance> => get(`/api/attendances/${id}`);

export const listQuestions = (q?: string): Answer<Items<Question>> =>
  get(withQuery('/api/questions', { q }));

export interface QuestionDraft {
  text: string;
  kind: QuestionKind;
  options: { text: string; correct: boolean }[];
  accepted: string[];
  unit_id: string;
}

export const createQuestion = (draft: QuestionDraft): Answer<Question> =>
  send('POST', '/api/questions', draft);

/** All questions of a file, or none; a dry run only tells what is in it. */
export const importQuestions = (
  unitId: string,
  file: File,
  dryRun: boolean,
): Answer<QuestionImport> => {
  const query = { unit_id: unitId, name: file.name, dry_run: String(dryRun) };
  return send('POST', withQuery('/api/questions/import', query), file);
};

export const listUnits = (): Answer<Items<Unit>> => get('/api/units');

export const createUnit = (unit: { parent_id: string; name: string; code: string }): Answer<Unit> =>
  send('POST', '/api/units', unit);

export const editUnit = (id: string, change: { name?: string; code?: string }): Answer<Unit> =>
  send('PATCH', `/api/units/${id}`, change);

export interface PeopleFilter {
  unit_id?: string;
  q?: string;
  role?: string;
  page?: number;
  page_size?: number;
}

export const listPeople = (filter: PeopleFilter): Answer<Page<Person>> =>
  get(withQuery('/api/people', { ...filter }));

export interface PersonDraft {
  name: string;
  unit_id: string;
  kind: Person['kind'];
  username?: string;
  password?: string;
  role?: Role;
}

export const createPerson = (draft: PersonDraft): Answer<Person> =>
  send('POST', '/api/people', draft);

export const editPerson = (
  id: string,
  change: { name?: string; unit_id?: string; disabled?: boolean },
): Answer<Person> => send('PATCH', `/api/people/${id}`, change);

export const grantRole = (id: string, role: Role, unitId: string): Answer<Person> =>
  send('POST', `/api/people/${id}/roles`, { role, unit_id: unitId });

export const revokeRole = (id: string, role: Role, unitId: string): Answer<Person> =>
  send('DELETE', `/api/people/${id}/roles`, { role, unit_id: unitId });

export const resetPassword = (id: string, newPassword: string): Answer<undefined> =>
  send('POST', `/api/people/${id}/password`, { new_password: newPassword });

export const listAudit = (before?: number, limit?: number): Answer<Items<AuditEntry>> =>
  get(withQuery('/api/audit', { before, limit }));
