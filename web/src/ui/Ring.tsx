/** Seconds of calm; after that the ring asks for attention. */
const URGENT_SECONDS = 10;
const RADIUS = 44;
const LENGTH = 2 * Math.PI * RADIUS;

/** A countdown as a ring with figures. */
export function Ring(props: { left: number; total: number; unit: string; label: string }) {
  const part = props.total > 0 ? Math.min(1, props.left / props.total) : 0;
  const figure = Math.ceil(props.left);
  return (
    <div
      className={figure <= URGENT_SECONDS ? 'ring ring-urgent' : 'ring'}
      role="timer"
      aria-label={props.label}
      data-testid="prompt-countdown"
      data-seconds={figure}
    >
      <svg viewBox="0 0 100 100" aria-hidden="true">
        <circle className="ring-ground" cx="50" cy="50" r={RADIUS} />
        <circle
          className="ring-part"
          cx="50"
          cy="50"
          r={RADIUS}
          strokeDasharray={LENGTH}
          strokeDashoffset={LENGTH * (1 - part)}
        />
      </svg>
      <span className="ring-figure" aria-hidden="true">
        {figure}
        <small>{props.unit}</small>
      </span>
    </div>
  );
}
