import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { askQuestion, listQuestions, openPoll, type PollDraft } from '../../api/calls';
import { keys, queryClient, withRound } from '../../api/live';
import type { Lesson, StaffRound } from '../../api/types';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, unwrap } from '../../lib/result';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import { Field, SelectField } from '../../ui/Field';
import { Empty, Skeleton } from '../../ui/State';
import { tell } from '../../ui/toasts';
import './rounds.css';

interface AskProps {
  lesson: Lesson;
  onClose: () => void;
  /** It is put to the class. */
  onAsked?: () => void;
}

/** A question of the bank to the whole class, now. */
export function ChooseQuestion({ lesson, onClose, onAsked }: AskProps) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const [wanted, setWanted] = useState('');
  const questions = useQuery({
    queryKey: [...keys.questions, ''],
    queryFn: async () => unwrap(await listQuestions()),
  });
  const ask = useMutation({
    mutationFn: async (id: string) => unwrap(await askQuestion(lesson.id, id)),
    onSuccess: ({ asked }) => {
      tell('ok', t('actions.asked', { n: asked }));
      void queryClient.invalidateQueries({ queryKey: keys.rounds(lesson.id) });
      onAsked?.();
      onClose();
    },
    onError: (error) => tell('refused', problemText(problemOf(error))),
  });
  const shown = (questions.data?.items ?? []).filter((each) =>
    each.text.toLowerCase().includes(wanted.trim().toLowerCase()),
  );
  return (
    <Dialog title={t('actions.chooseQuestion')} look="sheet" onClose={onClose}>
      <Field
        label={t('actions.searchQuestion')}
        value={wanted}
        onChange={(event) => setWanted(event.target.value)}
      />
      {questions.isPending && <Skeleton label={t('app.loading')} />}
      {questions.data?.items.length === 0 && (
        <Empty
          icon="question"
          title={t('actions.noQuestions')}
          hint={t('actions.noQuestionsHint')}
        />
      )}
      <ul className="question-list">
        {shown.map((question) => (
          <li key={question.id}>
            <div>
              <p>{question.text}</p>
              <span className="hint">
                {question.options
                  .map((each) => each.text)
                  .concat(question.accepted)
                  .join(' / ')}
              </span>
            </div>
            <Button
              size="small"
              look="primary"
              busy={ask.isPending && ask.variables === question.id}
              data-testid="question-ask"
              data-question={question.id}
              onClick={() => ask.mutate(question.id)}
            >
              {t('actions.askThis')}
            </Button>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}

const OPTIONS_MIN = 2;
const OPTIONS_MAX = 8;
const OPTION_CHARS_MAX = 60;
const TEXT_CHARS_MAX = 200;
const SECONDS = [30, 60, 120, 300];

/** What the class thinks: no right answer, and nobody's vote is known. */
export function CreatePoll({ lesson, onClose, onAsked }: AskProps) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const [text, setText] = useState('');
  const [options, setOptions] = useState<string[]>([t('rounds.yes'), t('rounds.no')]);
  const [multiple, setMultiple] = useState(false);
  const [seconds, setSeconds] = useState('60');
  const open = useMutation({
    mutationFn: async (draft: PollDraft) => unwrap(await openPoll(lesson.id, draft)),
    onSuccess: (round) => {
      queryClient.setQueryData<StaffRound[]>(keys.rounds(lesson.id), (known) =>
        withRound(known ?? [], round),
      );
      onAsked?.();
      onClose();
    },
    onError: (error) => tell('refused', problemText(problemOf(error))),
  });
  const filled = options.filter((option) => option.trim() !== '');
  const ready = text.trim() !== '' && filled.length >= OPTIONS_MIN;
  const change = (place: number, value: string) =>
    setOptions(options.map((option, at) => (at === place ? value : option)));
  return (
    <Dialog
      title={t('actions.pollTitle')}
      look="sheet"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{t('app.cancel')}</Button>
          <Button
            look="primary"
            busy={open.isPending}
            disabled={!ready}
            data-testid="poll-open"
            onClick={() =>
              open.mutate({ text, options: filled, multiple, seconds: Number(seconds) })
            }
          >
            {t('actions.pollOpen')}
          </Button>
        </>
      }
    >
      <div className="poll-form">
        <Field
          label={t('rounds.pollText')}
          value={text}
          maxLength={TEXT_CHARS_MAX}
          data-testid="poll-text"
          onChange={(event) => setText(event.target.value)}
        />
        {options.map((option, place) => (
          <Field
            key={place}
            label={t('rounds.option', { n: place + 1 })}
            value={option}
            maxLength={OPTION_CHARS_MAX}
            data-testid="poll-option-text"
            onChange={(event) => change(place, event.target.value)}
          />
        ))}
        {options.length < OPTIONS_MAX && (
          <Button size="small" data-testid="poll-add" onClick={() => setOptions([...options, ''])}>
            {t('rounds.addOption')}
          </Button>
        )}
        <label className="poll-check">
          <input
            type="checkbox"
            checked={multiple}
            onChange={(event) => setMultiple(event.target.checked)}
          />
          {t('rounds.several')}
        </label>
        <SelectField
          label={t('rounds.time')}
          value={seconds}
          options={SECONDS.map((n) => ({ value: String(n), label: t('rounds.seconds', { n }) }))}
          onChange={setSeconds}
        />
        <p className="hint">{t('rounds.anonymousHint')}</p>
      </div>
    </Dialog>
  );
}
