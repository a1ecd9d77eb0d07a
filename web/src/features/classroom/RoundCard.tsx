import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { shownRounds, votePoll } from '../../api/calls';
import { keys, queryClient, withShown } from '../../api/live';
import type { Lesson, ShownRound } from '../../api/types';
import type { AnswerGiven, Prompts } from '../../call/prompts';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, unwrap } from '../../lib/result';
import { serverClock } from '../../lib/serverClock';
import { useStore } from '../../lib/store';
import { useSeconds } from '../../lib/ticker';
import { Button } from '../../ui/Button';
import { StateTag } from '../../ui/State';
import { tell } from '../../ui/toasts';
import { acceptedText, RoundBars } from './RoundBars';
import { SecondsLeft } from './SecondsLeft';
import './rounds.css';

/** A result is shown this long, also to those who come just then. */
const RESULT_SHOWN_MS = 60_000;
/** Events bring rounds at once; this finds those that were missed. */
const REFETCH_MS = 30_000;

/** What a learner sees of a round: a poll to vote in, and what came of it or of a question. */
export default function RoundCard({ lesson, prompts }: { lesson: Lesson; prompts: Prompts }) {
  const [dismissed, setDismissed] = useState<string[]>([]);
  const given = useStore(prompts.given);
  useSeconds();
  const { data } = useQuery({
    queryKey: keys.shownRounds(lesson.id),
    queryFn: async () => unwrap(await shownRounds(lesson.id)).items,
    refetchInterval: REFETCH_MS,
  });
  const now = serverClock.now();
  const shown = data?.find(
    (round) => isCurrent(round, now) && !dismissed.includes(`${round.id} ${round.closed_at ?? ''}`),
  );
  if (!shown) return null;
  const dismiss = () => setDismissed([...dismissed, `${shown.id} ${shown.closed_at ?? ''}`]);
  return (
    <Card
      key={`${shown.id} ${shown.closed_at ?? ''}`}
      round={shown}
      given={given[shown.id]}
      onDismiss={dismiss}
    />
  );
}

function isCurrent(round: ShownRound, now: number): boolean {
  return round.closed_at
    ? now - Date.parse(round.closed_at) < RESULT_SHOWN_MS
    : round.closes_at !== undefined && Date.parse(round.closes_at ?? '') > now;
}

interface CardProps {
  round: ShownRound;
  given?: AnswerGiven;
  onDismiss: () => void;
}

function Card({ round, given, onDismiss }: CardProps) {
  const { t } = useTranslation();
  const isOpen = !round.closed_at;
  const title =
    round.kind === 'question'
      ? t('rounds.solution')
      : isOpen
        ? t('rounds.poll')
        : t('rounds.pollResult');
  return (
    <section
      className="round-card person"
      role="status"
      aria-label={title}
      data-testid="round-card"
      data-kind={round.kind}
      data-open={isOpen}
    >
      <header>
        <strong>{title}</strong>
        {isOpen && round.closes_at && <SecondsLeft until={round.closes_at} />}
        <Button
          look="plain"
          size="small"
          icon="close"
          aria-label={t('app.close')}
          data-testid="round-dismiss"
          onClick={onDismiss}
        />
      </header>
      <h3>{round.text}</h3>
      {isOpen && !round.voted && <Ballot round={round} />}
      {isOpen && round.voted && <p>{t('rounds.thanks')}</p>}
      {!isOpen && round.kind === 'poll' && (
        <RoundBars
          options={round.options}
          counts={round.tally?.options}
          total={round.tally?.asked ?? 0}
        />
      )}
      {!isOpen && round.kind === 'question' && <Solution round={round} given={given} />}
    </section>
  );
}

function Solution({ round, given }: { round: ShownRound; given?: AnswerGiven }) {
  const { t } = useTranslation();
  const right = round.right ?? given?.right;
  const mine =
    round.chosen ??
    round.options.flatMap((option, at) => (given?.texts.includes(option.text) ? [at] : []));
  const written = round.written ?? (round.options.length === 0 ? given?.texts[0] : undefined);
  const { tally } = round;
  return (
    <>
      {right !== undefined && (
        <StateTag tone={right ? 'ok' : 'attention'}>
          {right ? t('rounds.youRight') : t('rounds.youWrong')}
        </StateTag>
      )}
      {round.options.length > 0 ? (
        <RoundBars
          options={round.options}
          counts={tally?.options}
          total={tally ? tally.right + tally.wrong : 0}
          mine={mine}
        />
      ) : (
        <dl className="round-written">
          <dt>{t('rounds.accepted')}</dt>
          <dd>{acceptedText(round)}</dd>
          {written !== undefined && (
            <>
              <dt>{t('rounds.yours')}</dt>
              <dd>{written}</dd>
            </>
          )}
        </dl>
      )}
      {tally && (
        <p className="hint">
          {t('rounds.share', { right: tally.right, of: tally.right + tally.wrong })}
        </p>
      )}
    </>
  );
}

function Ballot({ round }: { round: ShownRound }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const [chosen, setChosen] = useState<number[]>([]);
  const isMultiple = round.answers === 'multiple';
  const vote = useMutation({
    mutationFn: async () => unwrap(await votePoll(round.id, chosen)),
    onSuccess: () =>
      queryClient.setQueryData<ShownRound[]>(keys.shownRounds(round.lesson_id), (known) =>
        withShown(known ?? [], { ...round, voted: true }),
      ),
    onError: (error) => tell('refused', problemText(problemOf(error))),
  });
  const choose = (place: number) => {
    if (!isMultiple) setChosen([place]);
    else
      setChosen(
        chosen.includes(place) ? chosen.filter((each) => each !== place) : [...chosen, place],
      );
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (chosen.length > 0) vote.mutate();
      }}
    >
      <fieldset disabled={vote.isPending}>
        <legend className="hint">
          {isMultiple ? t('prompt.multiple') : t('prompt.single')} · {t('rounds.anonymous')}
        </legend>
        {round.options.map((option, place) => (
          <label
            key={place}
            className={chosen.includes(place) ? 'prompt-option chosen' : 'prompt-option'}
            data-testid="poll-option"
          >
            <input
              type={isMultiple ? 'checkbox' : 'radio'}
              name={round.id}
              checked={chosen.includes(place)}
              onChange={() => choose(place)}
            />
            <span>{option.text}</span>
          </label>
        ))}
      </fieldset>
      <Button
        type="submit"
        look="primary"
        wide
        busy={vote.isPending}
        disabled={chosen.length === 0}
        data-testid="poll-vote"
      >
        {t('rounds.vote')}
      </Button>
    </form>
  );
}
