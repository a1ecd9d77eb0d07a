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

function setUp(
  answers: Result<CheckAnswer>[] = [],
  refusal: Result<undefined> = success(undefined),
) {
  const time = { now: OPENED };
  const refused: string[] = [];
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
    refuse: (checkId) => {
      refused.push(checkId);
      return Promise.resolve(refusal);
    },
  });
  return { prompts, time, sent, refused, renewals: () => renewals };
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

describe('prompts that look', () => {
  const look = (change: Partial<Prompt> = {}) =>
    prompt({ kind: 'action', gesture: 'turn_left', ...change });
  const said = (code: string) => ({ check_id: 'c1', message: { code, zh: code, en: code } });
  const closed = (outcome: string) => ({
    check_id: 'c1',
    attendance_id: 'a1',
    outcome,
    credited_seconds: 0,
  });

  it('lead from the face to the act and back, as the server says it', () => {
    const { prompts } = setUp();
    prompts.open(look());
    expect(prompts.view.get()).toMatchObject({ guide: { stage: 'face' } });
    prompts.guide(said('come_closer'));
    expect(prompts.view.get()).toMatchObject({
      guide: { stage: 'face', message: { code: 'come_closer' } },
    });
    prompts.guide(said('turn_left'));
    expect(prompts.view.get()).toMatchObject({ guide: { stage: 'act' } });
    prompts.guide(said('too_dark'));
    expect(prompts.view.get()).toMatchObject({
      guide: { stage: 'act', message: { code: 'too_dark' } },
    });
    prompts.guide(said('look_straight'));
    expect(prompts.view.get()).toMatchObject({ guide: { stage: 'face_again' } });
  });

  it('leave it to the outcome whether one may go on', () => {
    const { prompts } = setUp();
    prompts.open(look());
    prompts.guide(said('not_confirmed'));
    expect(prompts.view.get()).not.toHaveProperty('guide.message');
  });

  it('take a sentence away when the server does', () => {
    const { prompts } = setUp();
    prompts.open(look({ kind: 'face', gesture: null }));
    prompts.guide(said('many_faces'));
    prompts.guide({ check_id: 'c1', message: null });
    expect(prompts.view.get()).toMatchObject({ guide: { stage: 'face' } });
    expect(prompts.view.get()).not.toHaveProperty('guide.message');
  });

  it('hear nothing that is said of another check, or of a silent one', () => {
    const { prompts } = setUp();
    prompts.guide(said('no_face'));
    expect(prompts.view.get()).toEqual({ phase: 'none' });
    prompts.open(look({ check_id: 'c2' }));
    prompts.guide(said('no_face'));
    expect(prompts.view.get()).not.toHaveProperty('guide.message');
  });

  it('begin anew with the next try, and say that it is one', () => {
    const { prompts } = setUp();
    prompts.open(look());
    prompts.guide(said('turn_left'));
    prompts.open(look({ nonce: 'n2', gesture: 'open_mouth', attempts_left: 2 }));
    expect(prompts.view.get()).toMatchObject({
      again: true,
      prompt: { gesture: 'open_mouth' },
      guide: { stage: 'face' },
    });
  });

  it('leave the outcome to the server when the time is over', () => {
    const { prompts, time } = setUp();
    prompts.open(look());
    time.now += 60_000;
    prompts.expire();
    expect(prompts.view.get()).toMatchObject({ phase: 'asking', step: 'deciding' });
    prompts.close(closed('failed_no_face'));
    expect(prompts.view.get()).toMatchObject({ phase: 'done', outcome: 'failed_no_face' });
  });

  it('give the lesson back when the server’s word is lost', () => {
    const { prompts, time } = setUp();
    prompts.open(look());
    time.now += 76_000;
    prompts.expire();
    expect(prompts.view.get()).toEqual({ phase: 'none' });
    prompts.open(look({ deadline: new Date(time.now + 9000).toISOString() }));
    expect(prompts.view.get()).toEqual({ phase: 'none' });
  });

  it('take the place of a result that is still shown', () => {
    const { prompts } = setUp();
    prompts.open(look());
    prompts.close(closed('failed_mismatch'));
    prompts.open(look({ check_id: 'c2', nonce: 'm1' }));
    expect(prompts.view.get()).toMatchObject({ phase: 'asking', prompt: { check_id: 'c2' } });
  });

  it('can be declined, once', async () => {
    const { prompts, refused } = setUp();
    prompts.open(look());
    await Promise.all([prompts.refuse(), prompts.refuse()]);
    expect(refused).toEqual(['c1']);
    expect(prompts.view.get()).toMatchObject({ phase: 'done', outcome: 'refused' });
  });

  it('stay when declining did not arrive, and take what the server decided meanwhile', async () => {
    const offline = failure({ status: 0, code: 'app.network', zh: '', en: '' });
    const { prompts } = setUp([], offline);
    prompts.open(look());
    await prompts.refuse();
    expect(prompts.view.get()).toMatchObject({ phase: 'asking', problem: { code: 'app.network' } });
    prompts.close(closed('passed'));
    expect(prompts.view.get()).toMatchObject({ phase: 'done', outcome: 'passed' });
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
