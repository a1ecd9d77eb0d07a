import type { Stretch } from '../lib/timeline';
import type { Adjustment, Appeal } from './redress';

export type Role = 'system_administrator' | 'unit_officer' | 'teacher' | 'learner';
export const ROLES: Role[] = ['system_administrator', 'unit_officer', 'teacher', 'learner'];

export interface UnitRef {
  id: string;
  name: string;
  level: number;
}

export interface Unit extends UnitRef {
  parent_id: string | null;
  code: string;
}

export interface RoleGrant {
  role: Role;
  unit: UnitRef;
}

export interface Me {
  account_id: string;
  person_id: string;
  username: string;
  name: string;
  locale: string;
  unit: UnitRef;
  roles: RoleGrant[];
  may: string[];
}

export interface Session {
  access_token: string;
  expires_in: number;
  me: Me;
}

export interface Person {
  id: string;
  account_id?: string | null;
  username?: string | null;
  name: string;
  kind: 'subject' | 'staff';
  unit: UnitRef;
  roles: RoleGrant[];
  disabled: boolean;
}

export type LessonState = 'scheduled' | 'live' | 'break' | 'ended' | 'cancelled';
export type LessonScope = 'today' | 'upcoming' | 'past';

export interface Lesson {
  id: string;
  title: string;
  unit: UnitRef;
  teacher: { account_id: string; name: string } | null;
  state: LessonState;
  starts_at: string;
  ends_at: string;
  started_at?: string | null;
  ended_at?: string | null;
  learners: number;
  /** Learners are known by their faces. */
  face_checks?: boolean;
  /** Learners listen: they neither write nor speak. */
  hushed?: boolean;
  my_role: 'teacher' | 'officer' | 'learner';
  my_attendance_id?: string | null;
}

export interface Join {
  url: string;
  token: string;
  room: string;
  identity: string;
  role: string;
  attendance_id?: string | null;
  server_time: string;
  notice: { recorded: boolean; checks: boolean; faces?: boolean };
}

export type Presence = 'absent' | 'connected' | 'interrupted' | 'left';
export type CheckKind = 'presence' | 'question' | 'face' | 'action';
/** What one try of an `action` check asks for; left and right are the person's own. */
export type Gesture = 'turn_left' | 'turn_right' | 'open_mouth';

export interface BoardRow {
  /** Of learners who have entered. */
  attendance_id?: string | null;
  account_id: string;
  name: string;
  unit_name: string;
  presence: Presence;
  alive: boolean;
  credited_seconds: number;
  withheld_seconds: number;
  pending?: { kind: CheckKind; deadline: string } | null;
  last_outcome?: string | null;
  needs_review: boolean;
  paused: boolean;
  /** Known by the face here; false on the route without a camera. */
  faces?: boolean;
  /** The camera that must show a face shows nothing. */
  dark?: boolean;
}

export interface Board {
  lesson: Lesson;
  server_time: string;
  rows: BoardRow[];
}

export type QuestionKind = 'single' | 'multiple' | 'true_false' | 'numeric' | 'short_text';

export interface PromptQuestion {
  text: string;
  kind: QuestionKind;
  /** None where an answer is written. */
  options: { key: string; text: string }[];
}

export interface Prompt {
  check_id: string;
  attendance_id: string;
  kind: CheckKind;
  nonce: string;
  opened_at: string;
  deadline: string;
  server_time: string;
  attempts_left: number;
  question?: PromptQuestion | null;
  /** When the whole class is asked. */
  round_id?: string | null;
  /** What to do before the camera. */
  gesture?: Gesture | null;
}

export interface PromptClosed {
  check_id: string;
  attendance_id: string;
  outcome: string;
  credited_seconds: number;
}

export interface Heartbeat {
  server_time: string;
  credited_seconds: number;
  prompt?: Prompt | null;
  /** Known by the face here; false on the route without a camera. */
  faces?: boolean;
  /** The camera that must show a face shows nothing: time does not count. */
  dark?: boolean;
}

export interface CheckAnswer {
  outcome: string;
  attempts_left: number;
  credited_seconds: number;
}

export interface RoundOption {
  text: string;
  /** Absent in a poll. */
  correct?: boolean;
}

export interface RoundTally {
  asked: number;
  waiting: number;
  right: number;
  wrong: number;
  absent: number;
  excused: number;
  options: number[];
  written: { text: string; count: number }[];
}

/** A question or a poll put to a whole class. */
export interface Round {
  id: string;
  lesson_id: string;
  kind: 'question' | 'poll';
  answers: QuestionKind;
  text: string;
  options: RoundOption[];
  accepted: string[];
  opened_at: string;
  closes_at?: string | null;
  closed_at?: string | null;
}

export interface StaffRound extends Round {
  tally: RoundTally;
}

/** As learners may see it. */
export interface ShownRound extends Round {
  tally?: RoundTally | null;
  voted: boolean;
  right?: boolean | null;
  chosen?: number[] | null;
  written?: string | null;
}

/** A message of a lesson's chat; one that comes again with the same id changed. */
export interface ChatMessage {
  id: string;
  lesson_id: string;
  account_id: string;
  name: string;
  role: 'staff' | 'learner';
  sent_at: string;
  text: string;
  reach: 'everybody' | 'staff';
  held: boolean;
}

export interface AttendanceSummary {
  id: string;
  lesson: { id: string; title: string; starts_at: string };
  state: 'open' | 'closed' | 'needs_review';
  credited_seconds: number;
  withheld_seconds: number;
  commitment: string;
  seed?: string | null;
  rule_version: number | string;
}

export interface AttendanceCheck {
  id: string;
  kind: string;
  asked_at: string;
  deadline: string;
  answered_at?: string | null;
  outcome?: string | null;
  by: 'schedule' | 'staff';
  /** What was seen last, of a check that looks. */
  finding?: string | null;
  /** What a person decided about the outcome. */
  ruling?: 'upheld' | 'overturned' | null;
}

export interface Attendance extends AttendanceSummary {
  stretches: Stretch[];
  checks: AttendanceCheck[];
  /** Seconds among the credited ones that two people added; negative ones they took. */
  adjusted_seconds?: number;
  /** Until when appeals are taken; while the attendance is open they are too. */
  appeal_until?: string | null;
  appeals?: Appeal[];
  adjustments?: Adjustment[];
}

export interface Question {
  id: string;
  text: string;
  kind: QuestionKind;
  options: { key?: string; text: string; correct?: boolean }[];
  /** Where an answer is written: words, or numbers such as `3.13..3.15`. */
  accepted: string[];
  unit?: UnitRef | null;
}

/** Something wrong with a file, at a line or row. */
export interface Complaint {
  line: number;
  code: string;
  zh: string;
  en: string;
}

export interface QuestionImport {
  imported: number;
  questions: Question[];
  complaints: Complaint[];
}

export interface AuditEntry {
  seq: number;
  at: string;
  actor: string | { name?: string; account_id?: string } | null;
  action: string;
  subject: string | null;
  detail: unknown;
}

export interface ServerInfo {
  name: string;
  version: string;
  demo: boolean;
}

export type FilmState = 'uploading' | 'uploaded' | 'queued' | 'importing' | 'ready' | 'refused';

export interface Film {
  id: string;
  title: string;
  unit_id: string;
  unit_name: string;
  owner_name: string;
  state: FilmState;
  length: number;
  received: number;
  percent: number;
  waits_for_importer: boolean;
  reason?: string | null;
  duration_ms?: number | null;
  picture: boolean;
  lessons: number;
  expires_at?: string | null;
  created_at: string;
}

export interface CoursePlan {
  title: string;
  about: string;
  required_s: number;
  speed_percent: number;
  /** What watching counts for. */
  counts: 'progress' | 'hours' | 'hours_by_face';
  prerequisite_ids: string[];
  chapters: { title: string; lessons: { id?: string; title: string; film_id: string }[] }[];
}

export interface Course extends CoursePlan {
  id: string;
  unit_id: string;
  unit_name: string;
  learners: number;
}

export interface CourseStanding {
  watched_s: number;
  lessons_finished: number;
  lessons: number;
  complete: boolean;
}

export interface LearnerStanding extends CourseStanding {
  account_id: string;
  name: string;
}

export interface MyCourseLesson {
  id: string;
  title: string;
  ready: boolean;
  duration_ms: number;
  picture: boolean;
  watched_ms: number;
  finished: boolean;
}

export interface MyCourse extends CourseStanding {
  id: string;
  title: string;
  about: string;
  unit_name: string;
  required_s: number;
  waits_for: string[];
  chapters: { title: string; lessons: MyCourseLesson[] }[];
}

export interface PlayState {
  watched_ms: number;
  finished: boolean;
  server_time: string;
}

export interface Play {
  playback_id: string;
  title: string;
  duration_ms: number;
  resume_ms: number;
  speed_percent: number;
  picture: boolean;
  sound: boolean;
  state: PlayState;
}

export interface Items<T> {
  items: T[];
}

export interface Page<T> extends Items<T> {
  total: number;
}
