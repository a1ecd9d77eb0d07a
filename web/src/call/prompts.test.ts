import { describe, expect, it } from 'vitest';
import type { CheckAnswer, Prompt } from '../api/types';
import { failure, success, type Result } from '../lib/result';
import { createServerClock } from '../lib/serverClock';
import { createPrompts } from './prompts';

const OPENED = Date.parse('2026-11-22T02:00:00Z');

function prompt(change: Partial<Prompt> = {}): Prompt {
  return {
    check_id: 'c1',
    attendance_id: 'a1',
    kind: 'presence',
    nonce: 'n1',
    opened_at: new Date(OPENED).toISOString(),
    deadline: new Date(OPENED + 60_000).toISOString(),
    server_time: new Date(OPENED).toISOString(),
    attempts_left: 3,
    ...change,
  };
}

function setUp(answers: Result<CheckAnswer>[] = []) {
  const time = { now: OPENED };
  const sent: string[] = [];
  let renewals = 0;
  const prompts = createPrompts({
    now: () => time.now,
    answer: (checkId, nonce) => {
      sent.push(`${checkId}:${nonce}`);
      const next = answers.shift();
      return Promise.resolve(
        next ?? success({ outcome: 'passed', attempts_left: 0, credited_seconds: 0 }),
      );
    },
    renew: () => {
      renewals += 1;
    },
  });
  return { prompts, time, sent, renewals: () => renewals };
}

describe('prompts', () => {
  it('show one prompt once, whether the stream or the heartbeat brings it', async () => {
    const { prompts, sent } = setUp();
    prompts.open(prompt());
    prompts.open(prompt());
    await prompts.respond({ present: true });
    prompts.open(prompt());
    expect(sent).toEqual(['c1:n1']);
    prompts.dismiss();
    expect(prompts.view.get()).toEqual({ phase: 'none' });
  });

  it('remember what was answered to a question to the whole class, by its round', async () => {
    const wrong = success({ outcome: 'wrong', attempts_left: 0, credited_seconds: 0 });
    const { prompts } = setUp([wrong]);
    const options = [
      { key: 'a', text: 'A right' },
      { key: 'b', text: 'A duty' },
    ];
    const question = { text: '?', kind: 'single' as const, options };
    prompts.open(prompt({ kind: 'question', question, round_id: 'r1' }));
    await prompts.respond({ keys: ['b'] });
    expect(prompts.given.get()).toEqual({ r1: { texts: ['A duty'], right: false } });
  });

  it('count down by the server’s time', () => {
    const { prompts, time } = setUp();
    prompts.open(prompt());
    time.now += 12_500;
    expect(prompts.secondsLeft()).toBe(47.5);
  });

  it('take a new nonce of the same check for the next try', async () => {
    const wrong = success({ outcome: 'wrong', attempts_left: 2, credited_seconds: 0 });
    const { prompts, sent, renewals } = setUp([wrong]);
    prompts.open(prompt({ kind: 'question' }));
    await prompts.respond({ keys: ['a'] });
    expect(prompts.view.get()).toMatchObject({ phase: 'asking', step: 'renewing', again: true });
    expect(renewals()).toBe(1);
    prompts.open(prompt({ kind: 'question', nonce: 'n2', attempts_left: 2 }));
    await prompts.respond({ keys: ['b'] });
    expect(sent).toEqual(['c1:n1', 'c1:n2']);
    expect(prompts.view.get()).toMatchObject({ phase: 'done', outcome: 'passed' });
  });

  it('send one answer however often the button is pressed', async () => {
    const { prompts, sent } = setUp();
    prompts.open(prompt());
    await Promise.all([prompts.respond({ present: true }), prompts.respond({ present: true })]);
    expect(sent).toHaveLength(1);
  });

  it('stay open when an answer did not arrive', async () => {
    const offline = failure({ status: 0, code: 'app.network', zh: '', en: '' });
    const { prompts } = setUp([offline]);
    prompts.open(prompt());
    await prompts.respond({ present: true });
    expect(prompts.view.get()).toMatchObject({
      phase: 'asking',
      step: 'idle',
      problem: { code: 'app.network' },
    });
  });

  it('are missed when the deadline passes, and take the server’s word for it after that', () => {
    const { prompts, time } = setUp();
    prompts.open(prompt());
    time.now += 60_000;
    prompts.expire();
    expect(prompts.view.get()).toMatchObject({ phase: 'done', outcome: 'missed' });
    prompts.close({
      check_id: 'c1',
      attendance_id: 'a1',
      outcome: 'interrupted',
      credited_seconds: 0,
    });
    expect(prompts.view.get()).toMatchObject({ phase: 'done', outcome: 'interrupted' });
  });

  it('do not come back after the server has closed them', () => {
    const { prompts } = setUp();
    prompts.close({ check_id: 'c1', attendance_id: 'a1', outcome: 'void', credited_seconds: 0 });
    prompts.open(prompt());
    expect(prompts.view.get()).toEqual({ phase: 'none' });
  });

  it('are not shown after their deadline', () => {
    const { prompts, time } = setUp();
    time.now += 61_000;
    prompts.open(prompt());
    expect(prompts.view.get()).toEqual({ phase: 'none' });
  });

  it('wait behind the one that is shown', async () => {
    const { prompts } = setUp();
    prompts.open(prompt());
    prompts.open(prompt({ check_id: 'c2' }));
    await prompts.respond({ present: true });
    prompts.dismiss();
    expect(prompts.view.get()).toMatchObject({ phase: 'asking', prompt: { check_id: 'c2' } });
  });
});

describe('the server clock', () => {
  it('trusts the quickest answer', () => {
    const time = { local: 1000 };
    const clock = createServerClock(() => time.local);
    clock.observe(new Date(500_000).toISOString());
    time.local = 3000;
    clock.observe(new Date(502_000).toISOString(), 2000);
    expect(clock.now()).toBe(502_500);
    time.local = 9000;
    clock.observe(new Date(1).toISOString(), 3000);
    expect(clock.now()).toBe(508_500);
  });

  it('ignores what is no time', () => {
    const clock = createServerClock(() => 7);
    clock.observe('soon', 0);
    expect(clock.now()).toBe(7);
  });
});
