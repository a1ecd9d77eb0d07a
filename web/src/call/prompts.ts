import type { PromptAnswer } from '../api/calls';
import type { LookMessage } from '../api/faces';
import type { CheckAnswer, CheckKind, Prompt, PromptClosed } from '../api/types';
import type { Problem, Result } from '../lib/result';
import { createStore, type Store } from '../lib/store';
import { FIRST_GUIDE, isLook, nextGuide, type LookGuide } from './look';

/** What the person is asked right now. */
export type PromptView =
  | { phase: 'none' }
  | {
      phase: 'asking';
      prompt: Prompt;
      /**
       * `idle`: may answer; `sending`: an answer is under way; `renewing`: waits for a new nonce;
       * `deciding`: the time is over and the server has not told the outcome of its look yet.
       */
      step: 'idle' | 'sending' | 'renewing' | 'deciding';
      /** The last answer was not accepted and another try is left. */
      again: boolean;
      problem?: Problem;
      /** How the server's look goes. */
      guide: LookGuide;
    }
  | { phase: 'done'; checkId: string; kind: CheckKind; outcome: string };

/** What was answered to a question that the whole class was asked. */
export interface AnswerGiven {
  /** Texts of the options chosen, or what was written. */
  texts: string[];
  right: boolean;
}

export interface PromptParts {
  /** Server time in milliseconds. */
  now: () => number;
  answer: (checkId: string, nonce: string, answer: PromptAnswer) => Promise<Result<CheckAnswer>>;
  /** Asks the server for the current prompt, used when a nonce is spent. */
  renew: () => void;
  /** Says no to a check. */
  refuse: (checkId: string) => Promise<Result<undefined>>;
}

export interface Prompts {
  view: Store<PromptView>;
  /** By the rounds they belong to; for showing beside the solution. */
  given: Store<Record<string, AnswerGiven>>;
  /** Takes a prompt from the stream or from a heartbeat, whichever brought it first. */
  open: (prompt: Prompt) => void;
  close: (closed: PromptClosed) => void;
  respond: (answer: PromptAnswer) => Promise<void>;
  /** Takes what the server says to the person before the camera. */
  guide: (told: LookMessage) => void;
  /** Says no to the shown check. */
  refuse: () => Promise<void>;
  /** Seconds until the deadline by the server's time, never negative. */
  secondsLeft: () => number;
  /** Ends the current prompt when its time is over. */
  expire: () => void;
  dismiss: () => void;
}

/** Prompts that may wait behind the shown one; more are dropped, the heartbeat brings them again. */
const WAITING_MAX = 8;
/** Remembered prompts and closed checks; the oldest is forgotten first. */
const REMEMBERED_MAX = 256;

/** How long the outcome of a look is waited for when its time is over. */
const OUTCOME_WAIT_S = 15;

const PASSED = new Set(['passed', 'passed_low_assurance', 'exempt', 'void', 'upheld']);

export function isPassed(outcome: string): boolean {
  return PASSED.has(outcome);
}

export function createPrompts({ now, answer, renew, refuse }: PromptParts): Prompts {
  const view = createStore<PromptView>({ phase: 'none' });
  const given = createStore<Record<string, AnswerGiven>>({});
  const seen = new Set<string>();
  const closed = new Set<string>();
  let waiting: Prompt[] = [];

  const show = (prompt: Prompt, again = false) =>
    view.set({ phase: 'asking', prompt, step: 'idle', again, guide: FIRST_GUIDE });

  const done = (prompt: Prompt, outcome: string) => {
    remember(closed, prompt.check_id);
    view.set({ phase: 'done', checkId: prompt.check_id, kind: prompt.kind, outcome });
  };

  const untilDeadline = (prompt: Prompt) => (Date.parse(prompt.deadline) - now()) / 1000;

  const secondsLeft = () => {
    const current = view.get();
    return current.phase === 'asking' ? Math.max(0, untilDeadline(current.prompt)) : 0;
  };

  const showNext = () => {
    waiting = waiting.filter((prompt) => untilDeadline(prompt) > 0);
    const [next, ...rest] = waiting;
    waiting = rest;
    if (next) show(next);
    else view.set({ phase: 'none' });
  };

  return {
    view,
    given,
    secondsLeft,
    open: (prompt) => {
      const key = `${prompt.check_id}:${prompt.nonce}`;
      const isOver = untilDeadline(prompt) <= 0;
      if (seen.has(key) || closed.has(prompt.check_id) || isOver) return;
      const current = view.get();
      // The server looks already: a result that is still shown does not keep anybody from it.
      if (current.phase === 'none' || (current.phase === 'done' && isLook(prompt.kind))) {
        remember(seen, key);
        show(prompt);
      } else if (current.phase === 'asking' && current.prompt.check_id === prompt.check_id) {
        remember(seen, key);
        // Another nonce of a look means that the last one was judged and did not pass.
        show(prompt, current.again || isLook(prompt.kind));
      } else if (waiting.length < WAITING_MAX) {
        remember(seen, key);
        waiting = [...waiting.filter((each) => each.check_id !== prompt.check_id), prompt];
      }
    },
    close: ({ check_id, outcome }) => {
      remember(closed, check_id);
      waiting = waiting.filter((each) => each.check_id !== check_id);
      const current = view.get();
      if (current.phase === 'asking' && current.prompt.check_id === check_id) {
        done(current.prompt, outcome);
      } else if (current.phase === 'done' && current.checkId === check_id) {
        view.set({ ...current, outcome });
      }
    },
    respond: async (said) => {
      const asked = view.get();
      if (asked.phase !== 'asking' || asked.step !== 'idle') return;
      const { prompt } = asked;
      view.set({ ...asked, step: 'sending', problem: undefined });
      const result = await answer(prompt.check_id, prompt.nonce, said);
      if (result.ok && prompt.round_id) {
        const texts = textsOf(prompt, said);
        const right = isPassed(result.value.outcome);
        given.set({ ...given.get(), [prompt.round_id]: { texts, right } });
      }
      const current = view.get();
      if (current.phase !== 'asking' || current.prompt.nonce !== prompt.nonce) {
        // A new nonce or the closing of the check overtook this answer on its way.
        return;
      }
      if (!result.ok) {
        view.set({ ...current, step: 'idle', problem: result.error });
        if (result.error.status === 409) renew();
      } else if (!isPassed(result.value.outcome) && result.value.attempts_left > 0) {
        view.set({ ...current, step: 'renewing', again: true });
        renew();
      } else {
        done(prompt, result.value.outcome);
      }
    },
    guide: ({ check_id, message }) => {
      const current = view.get();
      if (current.phase !== 'asking' || current.prompt.check_id !== check_id) return;
      view.set({ ...current, guide: nextGuide(current.guide, message) });
    },
    refuse: async () => {
      const asked = view.get();
      if (asked.phase !== 'asking' || asked.step === 'sending') return;
      const { prompt } = asked;
      view.set({ ...asked, step: 'sending', problem: undefined });
      const result = await refuse(prompt.check_id);
      const current = view.get();
      if (current.phase !== 'asking' || current.prompt.check_id !== prompt.check_id) return;
      if (result.ok) done(prompt, 'refused');
      else view.set({ ...current, step: 'idle', problem: result.error });
    },
    expire: () => {
      const current = view.get();
      if (current.phase !== 'asking' || current.step === 'sending' || secondsLeft() > 0) return;
      if (isLook(current.prompt.kind)) {
        // Only the server knows what it saw; should its word be lost, the lesson is shown again.
        if (untilDeadline(current.prompt) < -OUTCOME_WAIT_S) {
          remember(closed, current.prompt.check_id);
          showNext();
        } else if (current.step !== 'deciding') view.set({ ...current, step: 'deciding' });
      } else {
        view.set({
          phase: 'done',
          checkId: current.prompt.check_id,
          kind: current.prompt.kind,
          outcome: 'missed',
        });
      }
    },
    dismiss: () => {
      if (view.get().phase === 'done') showNext();
    },
  };
}

function textsOf(prompt: Prompt, said: PromptAnswer): string[] {
  if ('text' in said) return [said.text];
  if (!('keys' in said)) return [];
  const chosen = prompt.question?.options.filter((option) => said.keys.includes(option.key));
  return (chosen ?? []).map((option) => option.text);
}

function remember(memory: Set<string>, key: string): void {
  memory.add(key);
  const oldest = memory.values().next().value;
  if (memory.size > REMEMBERED_MAX && oldest !== undefined) memory.delete(oldest);
}
