/** A value or an error with a code. Nothing in the app throws for an expected failure. */
export type Result<T, E = Problem> = { ok: true; value: T } | { ok: false; error: E };

/** What the server (or the network) refused, in the shape of RFC 9457 with our stable code. */
export interface Problem {
  /** HTTP status; 0 when no answer came. */
  status: number;
  /** Stable and machine-readable, such as `lesson.not_live`. */
  code: string;
  zh: string;
  en: string;
  requestId?: string;
}

export function success<T>(value: T): Result<T, never> {
  return { ok: true, value };
}

export function failure<E>(error: E): Result<never, E> {
  return { ok: false, error };
}

/** Carries a `Problem` through react-query, which knows failures only as thrown errors. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.code);
    this.name = 'ProblemError';
    this.problem = problem;
  }
}

/** Turns a result into a value for react-query. */
export function unwrap<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new ProblemError(result.error);
}

export const UNKNOWN_PROBLEM: Problem = {
  status: 0,
  code: 'app.unknown',
  zh: '',
  en: '',
};

export function problemOf(error: unknown): Problem {
  return error instanceof ProblemError ? error.problem : UNKNOWN_PROBLEM;
}
