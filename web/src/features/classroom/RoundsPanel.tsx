import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { closePoll, listRounds } from '../../api/calls';
import { keys, queryClient, withRound } from '../../api/live';
import type { Lesson, StaffRound } from '../../api/types';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, unwrap } from '../../lib/result';
import { clockTime } from '../../lib/time';
import { Button } from '../../ui/Button';
import { Empty, Notice, Skeleton, StateTag } from '../../ui/State';
import { tell } from '../../ui/toasts';
import { ChooseQuestion, CreatePoll } from './AskClass';
import { acceptedText, RoundBars } from './RoundBars';
import { SecondsLeft } from './SecondsLeft';
import './rounds.css';

/** Counts come by events; this finds those that were missed. */
const REFETCH_MS = 10_000;

/** What was put to the whole class, the newest first, counted while it goes on. */
export default function RoundsPanel({ lesson }: { lesson: Lesson }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const [asking, setAsking] = useState<'question' | 'poll'>();
  const rounds = useQuery({
    queryKey: keys.rounds(lesson.id),
    queryFn: async () => unwrap(await listRounds(lesson.id)).items,
    refetchInterval: REFETCH_MS,
  });
  const close = () => setAsking(undefined);
  return (
    <div className="rounds" data-testid="rounds">
      <div className="rounds-ask">
        <Button
          size="small"
          icon="question"
          disabled={lesson.state !== 'live'}
          onClick={() => setAsking('question')}
        >
          {t('actions.question')}
        </Button>
        <Button
          size="small"
          icon="poll"
          disabled={lesson.state !== 'live' && lesson.state !== 'break'}
          data-testid="rounds-poll"
          onClick={() => setAsking('poll')}
        >
          {t('actions.poll')}
        </Button>
      </div>
      {rounds.isPending && <Skeleton lines={4} label={t('app.loading')} />}
      {rounds.isError && (
        <Notice tone="refused" role="alert">
          {problemText(problemOf(rounds.error))}
        </Notice>
      )}
      {rounds.data?.length === 0 && (
        <Empty icon="question" title={t('rounds.empty')} hint={t('rounds.emptyHint')} />
      )}
      {rounds.data?.map((round) => (
        <Round key={round.id} round={round} />
      ))}
      {asking === 'question' && <ChooseQuestion lesson={lesson} onClose={close} />}
      {asking === 'poll' && <CreatePoll lesson={lesson} onClose={close} />}
    </div>
  );
}

function Round({ round }: { round: StaffRound }) {
  const { t, i18n } = useTranslation();
  const isOpen = !round.closed_at;
  const { tally } = round;
  const isPoll = round.kind === 'poll';
  return (
    <article className="round" data-testid="round" data-open={isOpen} data-kind={round.kind}>
      <header>
        <StateTag tone={isOpen ? 'waiting' : 'neutral'}>
          {isOpen ? t('rounds.open') : t('rounds.closed')}
        </StateTag>
        <time className="figures hint">{clockTime(round.opened_at, i18n.language)}</time>
        {isOpen && round.closes_at && <SecondsLeft until={round.closes_at} />}
      </header>
      <h3>{round.text}</h3>
      {isPoll ? (
        <p className="hint">{t('rounds.voted', { n: tally.asked })}</p>
      ) : (
        <Figures round={round} />
      )}
      {round.options.length > 0 && (
        <RoundBars
          options={round.options}
          counts={tally.options}
          total={isPoll ? tally.asked : tally.right + tally.wrong}
        />
      )}
      {round.options.length === 0 && <Written round={round} />}
      {isPoll && isOpen && <ClosePoll round={round} />}
    </article>
  );
}

function Figures({ round }: { round: StaffRound }) {
  const { t } = useTranslation();
  const { tally } = round;
  const figures = [
    { key: 'right', text: t('rounds.right'), value: tally.right, tone: 'ok' },
    { key: 'wrong', text: t('rounds.wrong'), value: tally.wrong, tone: 'attention' },
    { key: 'absent', text: t('rounds.absent'), value: tally.absent, tone: 'refused' },
    { key: 'waiting', text: t('rounds.waiting'), value: tally.waiting, tone: 'neutral' },
  ];
  return (
    <>
      <dl className="board-figures">
        {figures.map((figure) => (
          <div key={figure.key} className={`board-figure board-${figure.tone}`}>
            <dt>{figure.text}</dt>
            <dd className="figures" data-testid={`round-${figure.key}`}>
              {figure.value}
            </dd>
          </div>
        ))}
      </dl>
      {tally.excused > 0 && <p className="hint">{t('rounds.excused', { n: tally.excused })}</p>}
    </>
  );
}

function Written({ round }: { round: StaffRound }) {
  const { t } = useTranslation();
  return (
    <>
      <p>
        {t('rounds.accepted')} <strong>{acceptedText(round)}</strong>
      </p>
      <ul className="rounds-written">
        {round.tally.written.map(({ text, count }) => (
          <li key={text}>
            <span>{text}</span>
            <span className="figures">{count}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

function ClosePoll({ round }: { round: StaffRound }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const close = useMutation({
    mutationFn: async () => unwrap(await closePoll(round.id)),
    onSuccess: (closed) =>
      queryClient.setQueryData<StaffRound[]>(keys.rounds(round.lesson_id), (known) =>
        withRound(known ?? [], closed),
      ),
    onError: (error) => tell('refused', problemText(problemOf(error))),
  });
  return (
    <Button
      size="small"
      icon="stop"
      busy={close.isPending}
      data-testid="poll-close"
      onClick={() => close.mutate()}
    >
      {t('rounds.closePoll')}
    </Button>
  );
}
