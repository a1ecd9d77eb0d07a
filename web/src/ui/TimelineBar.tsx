import { timeline, type SegmentKind, type Stretch } from '../lib/timeline';
import { clockTime, wholeMinutes } from '../lib/time';
import { useTranslation } from '../i18n/useText';

interface Props {
  stretches: Stretch[];
  startsAt: string;
  endsAt?: string;
  creditedSeconds: number;
  withheldSeconds: number;
}

const LEGEND: SegmentKind[] = ['credited', 'none', 'withheld', 'pending'];

/** Green credited, grey not, red withheld; hatched while not decided, so colour is never alone. */
export function TimelineBar(props: Props) {
  const { t, i18n } = useTranslation();
  const { segments, from, to } = timeline(props.stretches, props.startsAt, props.endsAt);
  const present = new Set(segments.map((segment) => segment.kind));
  return (
    <figure className="timeline">
      <div
        className="timeline-bar"
        role="img"
        aria-label={t('record.timelineLabel', {
          credited: wholeMinutes(props.creditedSeconds),
          withheld: wholeMinutes(props.withheldSeconds),
        })}
      >
        {segments.map((segment) => (
          <span
            key={segment.start}
            className={`timeline-${segment.kind}`}
            style={{ left: `${segment.start}%`, width: `${segment.width}%` }}
          />
        ))}
      </div>
      {to > from && (
        <div className="timeline-ends" aria-hidden="true">
          <span>{clockTime(new Date(from).toISOString(), i18n.language)}</span>
          <span>{clockTime(new Date(to).toISOString(), i18n.language)}</span>
        </div>
      )}
      <figcaption className="timeline-legend">
        {LEGEND.filter((kind) => present.has(kind)).map((kind) => (
          <span key={kind}>
            <i className={`timeline-${kind}`} />
            {t(`record.${kind}`)}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}
