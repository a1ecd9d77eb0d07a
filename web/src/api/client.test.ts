import { describe, expect, it } from 'vitest';
import { createClient, parseProblem, withQuery } from './client';
import type { Session } from './types';

const ME = {
  account_id: 'a',
  person_id: 'p',
  username: 'learner1',
  name: 'L',
  locale: 'zh-CN',
  unit: { id: 'u', name: 'U', level: 5 },
  roles: [],
  may: [],
};

function session(token: string): Session {
  return { access_token: token, expires_in: 600, me: ME };
}

interface Asked {
  path: string;
  authorization: string | undefined;
}

/** A server in a function: accepts one token and renews it on request. */
function fakeServer(valid: { token: string | undefined }, refreshed: string | undefined) {
  const asked: Asked[] = [];
  const fetcher = (path: string, init: RequestInit): Promise<Response> => {
    const headers = init.headers as Record<string, string>;
    asked.push({ path, authorization: headers['Authorization'] });
    if (path === '/api/auth/refresh') {
      if (refreshed === undefined) return Promise.resolve(problem(401, 'auth.required'));
      valid.token = refreshed;
      return Promise.resolve(Response.json(session(refreshed)));
    }
    if (headers['Authorization'] !== `Bearer ${valid.token ?? ''}`) {
      return Promise.resolve(problem(401, 'auth.expired'));
    }
    return Promise.resolve(Response.json({ path }));
  };
  return { asked, fetcher: fetcher as unknown as typeof fetch };
}

function problem(status: number, code: string): Response {
  return new Response(JSON.stringify({ status, code, zh: 'z', en: 'e', request_id: 'r' }), {
    status,
    headers: { 'Content-Type': 'application/problem+json' },
  });
}

describe('the client', () => {
  it('renews the token once for all calls that fail together', async () => {
    const server = fakeServer({ token: undefined }, 'new');
    const client = createClient(server.fetcher);
    const results = await Promise.all([client.get('/a'), client.get('/b'), client.get('/c')]);
    expect(results.every((result) => result.ok)).toBe(true);
    expect(server.asked.filter((each) => each.path === '/api/auth/refresh')).toHaveLength(1);
  });

  it('waits for its turn with the refresh cookie, which all tabs share', async () => {
    const server = fakeServer({ token: undefined }, 'new');
    let letIn: () => void = () => undefined;
    const turn = new Promise<void>((resolve) => (letIn = resolve));
    const client = createClient(server.fetcher, async (renew) => turn.then(renew));
    const asked = client.refresh();
    await Promise.resolve();
    expect(server.asked).toHaveLength(0);
    letIn();
    expect((await asked).ok).toBe(true);
  });

  it('repeats a refused call with the renewed token', async () => {
    const server = fakeServer({ token: undefined }, 'new');
    const client = createClient(server.fetcher);
    await client.get('/a');
    expect(server.asked.at(-1)).toEqual({ path: '/a', authorization: 'Bearer new' });
  });

  it('is anonymous when the refresh cookie is no longer accepted', async () => {
    const client = createClient(fakeServer({ token: undefined }, undefined).fetcher);
    const result = await client.get('/a');
    expect(result.ok).toBe(false);
    expect(client.session.get()).toEqual({ status: 'anonymous' });
  });

  it('keeps somebody signed in when the network fails during a renewal', async () => {
    let online = true;
    const server = fakeServer({ token: 'other' }, 'first');
    const fetcher = ((path: string, init: RequestInit) =>
      online
        ? server.fetcher(path, init)
        : Promise.reject(new TypeError('offline'))) as typeof fetch;
    const client = createClient(fetcher);
    await client.refresh();
    online = false;
    const result = await client.refresh();
    expect(result).toEqual({
      ok: false,
      error: { status: 0, code: 'app.network', zh: '', en: '' },
    });
    expect(client.session.get().status).toBe('signed_in');
  });

  it('takes nobody for signed out while the server does not answer at the start', async () => {
    let online = false;
    const server = fakeServer({ token: undefined }, 'new');
    const fetcher = ((path: string, init: RequestInit) =>
      online
        ? server.fetcher(path, init)
        : Promise.resolve(problem(503, 'server.starting'))) as typeof fetch;
    const client = createClient(fetcher);
    await client.refresh();
    expect(client.session.get().status).toBe('away');
    online = true;
    await client.refresh();
    expect(client.session.get().status).toBe('signed_in');
  });

  it('tells listeners of each renewed token', async () => {
    const client = createClient(fakeServer({ token: undefined }, 'new').fetcher);
    const seen: (string | undefined)[] = [];
    client.onToken(() => seen.push(client.accessToken()));
    await client.refresh();
    expect(seen).toEqual(['new']);
  });
});

describe('a problem', () => {
  it('carries code, both sentences and the request id', () => {
    const text = '{"status":409,"code":"lesson.not_live","zh":"z","en":"e","request_id":"r"}';
    expect(parseProblem(409, text)).toEqual({
      status: 409,
      code: 'lesson.not_live',
      zh: 'z',
      en: 'e',
      requestId: 'r',
    });
  });

  it.each(['', '<html>', '[]', '"text"', 'null', '{"code":7}'])(
    'is made from the status when the body is %j',
    (text) => {
      expect(parseProblem(502, text)).toMatchObject({ status: 502, code: 'http.502', zh: '' });
    },
  );
});

it('a query leaves out what has no value', () => {
  expect(withQuery('/x', { a: 1, b: undefined, c: '', d: 'é&' })).toBe('/x?a=1&d=%C3%A9%26');
  expect(withQuery('/x', {})).toBe('/x');
});
