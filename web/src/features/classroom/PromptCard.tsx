import { useEffect, useId, useState } from 'react';
import type { PromptAnswer } from '../../api/calls';
import type { Prompt, PromptQuestion, QuestionKind } from '../../api/types';
import { startAlarm } from '../../call/alarm';
import { isLook } from '../../call/look';
import { isPassed, type Prompts, type PromptView } from '../../call/prompts';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { useStore } from '../../lib/store';
import { useQuarterSeconds } from '../../lib/ticker';
import { Button } from '../../ui/Button';
import { Icon } from '../../ui/Icon';
import { Ring } from '../../ui/Ring';
import { Notice } from '../../ui/State';
import { useModal } from '../../ui/useModal';
import { LookCard } from './LookCard';
import { lookWords } from './lookWords';

/** How long a good result stays before the lesson is shown again. */
const PASSED_SHOWN_MS = 2500;
const OTHER_SHOWN_MS = 20_000;

interface CardProps {
  prompts: Prompts;
  /** Switches the camera on, for checks that look. */
  onCamera: () => void;
}

/** Covers the lesson while something is asked, and for a moment with the result. */
export function PromptCard({ prompts, onCamera }: CardProps) {
  const view = useStore(prompts.view);
  if (view.phase === 'none') return null;
  return <Card view={view} prompts={prompts} onCamera={onCamera} />;
}

type Shown = Exclude<PromptView, { phase: 'none' }>;

function Card({ view, prompts, onCamera }: CardProps & { view: Shown }) {
  const { ref, onKeyDown } = useModal();
  const id = useId();
  const kind = view.phase === 'asking' ? view.prompt.kind : view.kind;
  return (
    <dialog
      ref={ref}
      className="prompt person"
      aria-labelledby={id}
      onKeyDown={onKeyDown}
      data-testid="prompt-card"
      data-kind={kind}
      data-phase={view.phase}
      onCancel={(event) => event.preventDefault()}
    >
      <div className="prompt-body" aria-live="assertive">
        {view.phase === 'asking' && isLook(kind) ? (
          <LookCard
            key={view.prompt.check_id}
            id={id}
            view={view}
            prompts={prompts}
            countdown={<Countdown prompt={view.prompt} prompts={prompts} />}
            onCamera={onCamera}
          />
        ) : view.phase === 'asking' ? (
          <Asking key={view.prompt.check_id} id={id} view={view} prompts={prompts} />
        ) : (
          <Result id={id} view={view} prompts={prompts} />
        )}
      </div>
    </dialog>
  );
}

type AskingView = Extract<PromptView, { phase: 'asking' }>;
type DoneView = Extract<PromptView, { phase: 'done' }>;

function Asking({ id, view, prompts }: { id: string; view: AskingView; prompts: Prompts }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const { prompt } = view;
  const isQuestion = prompt.kind === 'question';
  const title = isQuestion ? t('prompt.questionTitle') : t('prompt.presenceTitle');
  useEffect(() => startAlarm(`${t('prompt.flash')} · ${title}`), [t, title]);
  return (
    <>
      <Countdown prompt={prompt} prompts={prompts} />
      <h2 id={id}>{title}</h2>
      {!isQuestion && <p className="prompt-lead">{t('prompt.presenceText')}</p>}
      {view.again && view.step === 'idle' && <Notice tone="attention">{t('prompt.again')}</Notice>}
      {view.problem && (
        <Notice tone="refused" role="alert">
          {view.problem.status === 400 ? problemText(view.problem) : t('prompt.notSent')}
        </Notice>
      )}
      {isQuestion && prompt.question ? (
        <Question
          key={prompt.nonce}
          question={prompt.question}
          step={view.step}
          onAnswer={(answer) => void prompts.respond(answer)}
        />
      ) : (
        <AnswerButton
          text={t('prompt.presenceButton')}
          step={view.step}
          onClick={() => void prompts.respond({ present: true })}
        />
      )}
      {prompt.attempts_left > 0 && isQuestion && (
        <p className="hint">
          {prompt.attempts_left === 1
            ? t('prompt.lastAttempt')
            : t('prompt.attempts', { n: prompt.attempts_left })}
        </p>
      )}
    </>
  );
}

function Countdown({ prompt, prompts }: { prompt: Prompt; prompts: Prompts }) {
  const { t } = useTranslation();
  const tick = useQuarterSeconds();
  const left = prompts.secondsLeft();
  useEffect(() => prompts.expire(), [prompts, tick]);
  // A look was silent before it was asked: its ring begins with the time that was left then.
  const [atFirst] = useState(left);
  const window = (Date.parse(prompt.deadline) - Date.parse(prompt.opened_at)) / 1000;
  const total = isLook(prompt.kind) ? atFirst : window;
  return (
    <Ring
      left={left}
      total={total}
      unit={t('prompt.seconds')}
      label={t('prompt.remaining', { n: Math.ceil(left) })}
    />
  );
}

interface QuestionProps {
  question: PromptQuestion;
  step: AskingView['step'];
  onAnswer: (answer: PromptAnswer) => void;
}

function Question(props: QuestionProps) {
  const { kind } = props.question;
  const isWritten = kind === 'numeric' || kind === 'short_text';
  return isWritten ? <Written {...props} /> : <Choice {...props} />;
}

function useHowText(kind: QuestionKind): string {
  const { t } = useTranslation();
  return {
    single: t('prompt.single'),
    multiple: t('prompt.multiple'),
    true_false: t('prompt.trueFalse'),
    numeric: t('prompt.numeric'),
    short_text: t('prompt.shortText'),
  }[kind];
}

/** Longest answer that the server reads, characters. */
const WRITTEN_MAX = 100;

function Written({ question, step, onAnswer }: QuestionProps) {
  const { t } = useTranslation();
  const [text, setText] = useState('');
  const how = useId();
  const isNumeric = question.kind === 'numeric';
  const isEmpty = text.trim() === '';
  return (
    <form
      className="prompt-question"
      onSubmit={(event) => {
        event.preventDefault();
        if (!isEmpty) onAnswer({ text: text.trim() });
      }}
    >
      <fieldset disabled={step !== 'idle'}>
        <legend>
          {question.text}
          <span className="hint" id={how}>
            {useHowText(question.kind)}
          </span>
        </legend>
        <input
          className="prompt-written"
          inputMode={isNumeric ? 'decimal' : 'text'}
          enterKeyHint="send"
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          autoFocus
          maxLength={WRITTEN_MAX}
          aria-label={t('prompt.answer')}
          aria-describedby={how}
          placeholder={t('prompt.answer')}
          value={text}
          data-testid="prompt-written"
          onChange={(event) => setText(event.target.value)}
        />
      </fieldset>
      <AnswerButton text={t('prompt.submit')} step={step} disabled={isEmpty} />
    </form>
  );
}

function Choice({ question, step, onAnswer }: QuestionProps) {
  const { t } = useTranslation();
  const [chosen, setChosen] = useState<string[]>([]);
  const isMultiple = question.kind === 'multiple';
  const group = useId();
  const howText = useHowText(question.kind);
  const choose = (key: string) => {
    if (!isMultiple) setChosen([key]);
    else setChosen(chosen.includes(key) ? chosen.filter((each) => each !== key) : [...chosen, key]);
  };
  return (
    <form
      className="prompt-question"
      onSubmit={(event) => {
        event.preventDefault();
        if (chosen.length > 0) onAnswer({ keys: chosen });
      }}
    >
      <fieldset disabled={step !== 'idle'}>
        <legend>
          {question.text}
          <span className="hint">{howText}</span>
        </legend>
        {question.options.map((option) => (
          <label
            key={option.key}
            className={chosen.includes(option.key) ? 'prompt-option chosen' : 'prompt-option'}
            data-testid="prompt-option"
            data-key={option.key}
          >
            <input
              type={isMultiple ? 'checkbox' : 'radio'}
              name={group}
              checked={chosen.includes(option.key)}
              onChange={() => choose(option.key)}
            />
            <span>{option.text}</span>
          </label>
        ))}
      </fieldset>
      <AnswerButton text={t('prompt.submit')} step={step} disabled={chosen.length === 0} />
    </form>
  );
}

function AnswerButton(props: {
  text: string;
  step: AskingView['step'];
  disabled?: boolean;
  onClick?: () => void;
}) {
  const { t } = useTranslation();
  const stepText = {
    idle: props.text,
    sending: t('prompt.sending'),
    renewing: t('prompt.renewing'),
    deciding: t('prompt.renewing'),
  }[props.step];
  return (
    <Button
      type={props.onClick ? 'button' : 'submit'}
      look="primary"
      size="large"
      wide
      busy={props.step !== 'idle'}
      disabled={props.disabled}
      data-testid="prompt-answer"
      onClick={props.onClick}
    >
      {stepText}
    </Button>
  );
}

function Result({ id, view, prompts }: { id: string; view: DoneView; prompts: Prompts }) {
  const { t } = useTranslation();
  const passed = isPassed(view.outcome);
  // A pass that a person will look at says so, and is read.
  const brief = passed && view.outcome !== 'passed_low_assurance';
  useEffect(() => {
    const timer = setTimeout(prompts.dismiss, brief ? PASSED_SHOWN_MS : OTHER_SHOWN_MS);
    return () => clearTimeout(timer);
  }, [brief, prompts]);
  const words = useResultWords(view);
  return (
    <div className="prompt-result" data-testid="prompt-result" data-outcome={view.outcome}>
      <span className={passed ? 'prompt-mark prompt-passed' : 'prompt-mark prompt-failed'}>
        <Icon name={brief ? 'check' : 'info'} size={48} />
      </span>
      <h2 id={id}>{words.title}</h2>
      <p className="prompt-lead">{words.text}</p>
      <Button
        look={passed ? 'quiet' : 'primary'}
        size="large"
        wide
        data-testid="prompt-dismiss"
        onClick={prompts.dismiss}
      >
        {t('prompt.ok')}
      </Button>
    </div>
  );
}

function useResultWords(view: DoneView): { title: string; text: string } {
  const { t } = useTranslation();
  const words = isLook(view.kind) ? lookWords(t, view.outcome) : undefined;
  if (words) return words;
  if (isPassed(view.outcome)) {
    const title = view.kind === 'question' ? t('outcome.passedQuestion') : t('outcome.passed');
    return { title, text: t('outcome.passedText') };
  }
  if (view.outcome === 'missed')
    return { title: t('outcome.missed'), text: t('outcome.missedText') };
  // Present, and wrong: the time counts all the same.
  if (view.outcome === 'wrong') {
    return { title: t('outcome.wrong'), text: t('outcome.wrongText') };
  }
  if (view.outcome === 'interrupted') {
    return { title: t('outcome.interrupted'), text: t('outcome.interruptedText') };
  }
  return { title: t('outcome.failed'), text: t('outcome.failedText') };
}
