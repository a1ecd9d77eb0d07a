import { failure, success, type Problem, type Result } from '../lib/result';
import { createStore } from '../lib/store';
import type { Me, Session } from './types';

/** Who is signed in, as far as this page knows. */
export type SessionState =
  | { status: 'starting' }
  /** The server did not answer yet; who is here is not known. */
  | { status: 'away' }
  | { status: 'anonymous' }
  | { status: 'signed_in'; me: Me };

export interface Client {
  session: ReturnType<typeof createStore<SessionState>>;
  /** The current access token, for the event stream. */
  accessToken: () => string | undefined;
  /** Gets a session from the refresh cookie, once for all who ask at the same time. */
  refresh: () => Promise<Result<Session>>;
  signIn: (username: string, password: string) => Promise<Result<Session>>;
  signOut: () => Promise<void>;
  get: <T>(path: string) => Promise<Result<T>>;
  /** What is no JSON, such as a table. */
  getText: (path: string) => Promise<Result<string>>;
  send: <T>(method: Method, path: string, body?: unknown) => Promise<Result<T>>;
  /** Called after each renewal of the access token. */
  onToken: (listener: () => void) => () => void;
}

export type Method = 'POST' | 'PATCH' | 'PUT' | 'DELETE';

/** An answer later than this is treated as none. */
const REQUEST_TIMEOUT_MS = 15_000;
/** A file over a poor line takes its time. */
const UPLOAD_TIMEOUT_MS = 120_000;

export const NETWORK_PROBLEM: Problem = { status: 0, code: 'app.network', zh: '', en: '' };

/**
 * Runs one renewal after the other over all tabs of this browser. They share one refresh cookie,
 * and two that use it at once look like a theft to the server. Where the browser has no locks
 * (plain HTTP), tabs take their chance.
 */
function overTabs<T>(renew: () => Promise<T>): Promise<T> {
  if (!('locks' in navigator)) return renew();
  return navigator.locks.request('mingtang.refresh', renew);
}

export function createClient(
  fetcher: typeof fetch,
  inTurn: <T>(renew: () => Promise<T>) => Promise<T> = (renew) => renew(),
): Client {
  const session = createStore<SessionState>({ status: 'starting' });
  const tokenListeners = new Set<() => void>();
  let token: string | undefined;
  let refreshing: Promise<Result<Session>> | undefined;

  const adopt = (result: Result<Session>): Result<Session> => {
    if (result.ok) {
      token = result.value.access_token;
      for (const listener of [...tokenListeners]) listener();
      session.set({ status: 'signed_in', me: result.value.me });
    } else if (isAway(result.error)) {
      if (session.get().status === 'starting') session.set({ status: 'away' });
    } else if (result.error.status === 401 || session.get().status !== 'signed_in') {
      token = undefined;
      session.set({ status: 'anonymous' });
    }
    return result;
  };

  const refresh = (): Promise<Result<Session>> => {
    refreshing ??= inTurn(() => request<Session>(fetcher, 'POST', '/api/auth/refresh'))
      .then(adopt)
      .finally(() => {
        refreshing = undefined;
      });
    return refreshing;
  };

  const authorised = async <T>(
    method: string,
    path: string,
    body?: unknown,
    read?: (text: string) => T,
  ): Promise<Result<T>> => {
    const used = token;
    const first = await request<T>(fetcher, method, path, body, used, read);
    if (first.ok || first.error.status !== 401) return first;
    // Another call may have renewed the token while this one was under way.
    if (token === used) {
      const renewed = await refresh();
      if (!renewed.ok) return renewed;
    }
    return request<T>(fetcher, method, path, body, token, read);
  };

  return {
    session,
    accessToken: () => token,
    refresh,
    signIn: async (username, password) =>
      adopt(await request<Session>(fetcher, 'POST', '/api/auth/login', { username, password })),
    signOut: async () => {
      await authorised('POST', '/api/auth/logout');
      token = undefined;
      session.set({ status: 'anonymous' });
    },
    get: (path) => authorised('GET', path),
    getText: (path) => authorised('GET', path, undefined, (text) => text),
    send: (method, path, body) => authorised(method, path, body),
    onToken: (listener) => {
      tokenListeners.add(listener);
      return () => tokenListeners.delete(listener);
    },
  };
}

/** No answer, or one of a server that is just starting or overrun: it says nothing of a person. */
function isAway(problem: Problem): boolean {
  return problem.status === 0 || problem.status === 429 || problem.status >= 500;
}

async function request<T>(
  fetcher: typeof fetch,
  method: string,
  path: string,
  body?: unknown,
  token?: string,
  read: (text: string) => T = (text) => (text === '' ? undefined : JSON.parse(text)) as T,
): Promise<Result<T>> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  const file = body instanceof Blob ? body : undefined;
  if (body !== undefined) {
    headers['Content-Type'] = file ? 'application/octet-stream' : 'application/json';
  }
  if (token) headers['Authorization'] = `Bearer ${token}`;
  try {
    const response = await fetcher(path, {
      method,
      headers,
      body: file ?? (body === undefined ? undefined : JSON.stringify(body)),
      credentials: 'same-origin',
      signal: AbortSignal.timeout(file ? UPLOAD_TIMEOUT_MS : REQUEST_TIMEOUT_MS),
    });
    const text = await response.text();
    if (!response.ok) return failure(parseProblem(response.status, text));
    return success(read(text));
  } catch {
    return failure(NETWORK_PROBLEM);
  }
}

/** Reads a problem document, or makes one when a proxy answered in our place. */
export function parseProblem(status: number, text: string): Problem {
  const fallback: Problem = { status, code: `http.${status}`, zh: '', en: '' };
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null) return fallback;
    const field = (name: string): string | undefined => {
      const value: unknown = Reflect.get(parsed, name);
      return typeof value === 'string' ? value : undefined;
    };
    return {
      status,
      code: field('code') ?? fallback.code,
      zh: field('zh') ?? '',
      en: field('en') ?? '',
      requestId: field('request_id'),
    };
  } catch {
    return fallback;
  }
}

/** A path with those query parameters that have a value. */
export function withQuery(
  path: string,
  query: Record<string, string | number | undefined>,
): string {
  const pairs = Object.entries(query).flatMap(([key, value]) =>
    value === undefined || value === '' ? [] : [[key, String(value)]],
  );
  return pairs.length === 0 ? path : `${path}?${new URLSearchParams(pairs).toString()}`;
}

export const client = createClient((...args) => fetch(...args), overTabs);
