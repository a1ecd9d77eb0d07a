import { useMutation, useQuery } from '@tanstack/react-query';
import { askPresence, getBoard } from '../../api/calls';
import { keys } from '../../api/live';
import type { BoardRow, Lesson, Presence } from '../../api/types';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, unwrap } from '../../lib/result';
import { serverClock } from '../../lib/serverClock';
import { useSeconds } from '../../lib/ticker';
import { runningTime } from '../../lib/time';
import { OutcomeText } from '../../ui/AttendanceDetail';
import { Icon } from '../../ui/Icon';
import { outcomeTone } from '../../ui/lessonTone';
import { Empty, Notice, Skeleton, StateTag, type Tone } from '../../ui/State';
import { tell } from '../../ui/toasts';
import { boardOrder } from './boardOrder';
import { Exempt } from './Exempt';

/** Rows come by events; this finds what was missed. */
const REFETCH_MS = 10_000;

const PRESENCE_TONE: Record<Presence, Tone> = {
  absent: 'neutral',
  connected: 'ok',
  interrupted: 'attention',
  left: 'neutral',
};

/** The live board: figures on top, then everybody, those who need a look first. */
export default function BoardPanel({ lesson }: { lesson: Lesson }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const board = useQuery({
    queryKey: keys.board(lesson.id),
    queryFn: async () => {
      const sentAt = serverClock.local();
      const found = unwrap(await getBoard(lesson.id));
      serverClock.observe(found.server_time, sentAt);
      return found;
    },
    refetchInterval: REFETCH_MS,
  });
  const ask = useMutation({
    mutationFn: async (row: BoardRow) => unwrap(await askPresence(lesson.id, [row.account_id])),
    onSuccess: ({ asked }) => tell('ok', t('actions.asked', { n: asked })),
    onError: (error) => tell('refused', problemText(problemOf(error))),
  });
  if (board.isPending) return <Skeleton lines={5} label={t('app.loading')} />;
  if (!board.data) {
    return (
      <Notice tone="refused" role="alert">
        {problemText(problemOf(board.error))}
      </Notice>
    );
  }
  const rows = [...board.data.rows].sort(boardOrder);
  if (rows.length === 0) {
    return <Empty icon="board" title={t('board.empty')} hint={t('board.emptyHint')} />;
  }
  return (
    <div className="board" data-testid="board">
      <Figures rows={rows} />
      <ul>
        {rows.map((row) => (
          <Row key={row.account_id} lesson={lesson} row={row} onAsk={() => ask.mutate(row)} />
        ))}
      </ul>
    </div>
  );
}

function Figures({ rows }: { rows: BoardRow[] }) {
  const { t } = useTranslation();
  const count = (presence: Presence[]) =>
    rows.filter((row) => presence.includes(row.presence)).length;
  const figures = [
    { text: t('board.present'), value: count(['connected']), tone: 'ok' },
    { text: t('board.interrupted'), value: count(['interrupted']), tone: 'attention' },
    { text: t('board.missing'), value: count(['absent', 'left']), tone: 'neutral' },
    {
      text: t('board.review'),
      value: rows.filter((row) => row.needs_review).length,
      tone: 'refused',
    },
  ];
  return (
    <dl className="board-figures">
      {figures.map((figure) => (
        <div key={figure.text} className={`board-figure board-${figure.tone}`}>
          <dt>{figure.text}</dt>
          <dd className="figures">{figure.value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Row({ lesson, row, onAsk }: { lesson: Lesson; row: BoardRow; onAsk: () => void }) {
  const { t } = useTranslation();
  const isHere = row.presence === 'connected';
  return (
    <li
      className="board-row"
      data-testid="board-row"
      data-account={row.account_id}
      data-presence={row.presence}
      data-credited={row.credited_seconds}
      data-withheld={row.withheld_seconds}
      data-outcome={row.last_outcome ?? ''}
    >
      <div className="board-person">
        <strong>{row.name}</strong>
        <span className="hint">{row.unit_name}</span>
      </div>
      <div className="board-states">
        <StateTag tone={PRESENCE_TONE[row.presence]}>{t(`presence.${row.presence}`)}</StateTag>
        {isHere && !row.alive && <StateTag tone="attention">{t('board.notAlive')}</StateTag>}
        {row.paused && (
          <StateTag tone="attention" icon="pause">
            {t('board.paused')}
          </StateTag>
        )}
        {isHere && row.dark === true && (
          <StateTag tone="attention" icon="cameraOff">
            {t('board.dark')}
          </StateTag>
        )}
        {lesson.face_checks === true && row.attendance_id && row.faces === false && (
          <StateTag tone="neutral">{t('board.cameraFree')}</StateTag>
        )}
        {row.needs_review && <StateTag tone="refused">{t('board.review')}</StateTag>}
      </div>
      <div className="board-numbers figures">
        <span>
          {t('board.credited')} {runningTime(row.credited_seconds)}
        </span>
        {row.withheld_seconds > 0 && (
          <span className="board-withheld">
            {t('board.withheld')} {runningTime(row.withheld_seconds)}
          </span>
        )}
        {row.pending ? (
          <Pending deadline={row.pending.deadline} />
        ) : (
          row.last_outcome && (
            <StateTag tone={outcomeTone(row.last_outcome)}>
              <OutcomeText outcome={row.last_outcome} />
            </StateTag>
          )
        )}
      </div>
      <div className="board-acts">
        <Exempt lesson={lesson} row={row} />
        <button
          type="button"
          className="board-ask"
          aria-label={t('board.checkOne', { name: row.name })}
          title={t('board.checkOne', { name: row.name })}
          disabled={!isHere || Boolean(row.pending)}
          data-testid="board-check"
          onClick={onAsk}
        >
          <Icon name="bell" size={18} />
        </button>
      </div>
    </li>
  );
}

function Pending({ deadline }: { deadline: string }) {
  const { t } = useTranslation();
  useSeconds();
  const left = Math.max(0, Math.ceil((Date.parse(deadline) - serverClock.now()) / 1000));
  return <StateTag tone="waiting">{t('board.pending', { n: left })}</StateTag>;
}
