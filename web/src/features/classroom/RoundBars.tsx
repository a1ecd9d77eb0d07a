import type { Round, RoundOption } from '../../api/types';
import { useTranslation } from '../../i18n/useText';
import { Icon } from '../../ui/Icon';

/** The accepted answers of a round as people read them: a range is one with a dash. */
export function acceptedText(round: Round): string {
  const shown = round.accepted.map((text) =>
    round.answers === 'numeric' ? text.replace('..', ' \u2013 ') : text,
  );
  return shown.join(' / ');
}

interface Props {
  options: RoundOption[];
  /** How often each option was chosen; nothing before it may be told. */
  counts?: number[];
  /** Of how many. */
  total: number;
  /** Places that the person who looks chose. */
  mine?: number[];
}

/** One bar for each option: colour, mark and figure say the same. */
export function RoundBars({ options, counts, total, mine = [] }: Props) {
  const { t } = useTranslation();
  return (
    <ul className="bars">
      {options.map((option, place) => {
        const count = counts?.[place] ?? 0;
        const part = total > 0 ? Math.round((count / total) * 100) : 0;
        const isRight = option.correct === true;
        return (
          <li
            // Two options may read the same.
            key={place}
            className={isRight ? 'bar bar-right' : 'bar'}
            data-testid="round-bar"
            data-count={count}
            data-right={isRight}
          >
            <div className="bar-words">
              {isRight && (
                <span className="bar-mark" role="img" aria-label={t('rounds.right')}>
                  <Icon name="check" size={16} />
                </span>
              )}
              <span className="bar-text">{option.text}</span>
              {mine.includes(place) && <span className="bar-mine">{t('rounds.mine')}</span>}
              {counts && (
                <span className="bar-count figures">
                  {count} · {part}%
                </span>
              )}
            </div>
            {counts && (
              <span className="bar-line" aria-hidden="true">
                <span style={{ width: `${part}%` }} />
              </span>
            )}
          </li>
        );
      })}
    </ul>
  );
}
