import type { Heartbeat as Answer } from '../api/types';
import type { Result } from '../lib/result';
import type { ServerClock } from '../lib/serverClock';

/** Seconds between heartbeats as the API asks for them. */
export const HEARTBEAT_MS = 5000;

export interface Heartbeat {
  /** Sends one at once, next to the regular ones. */
  beat: () => Promise<void>;
  stop: () => void;
}

export interface HeartbeatParts {
  send: () => Promise<Result<Answer>>;
  clock: Pick<ServerClock, 'local' | 'observe'>;
  onAnswer: (answer: Answer) => void;
}

/** Tells the server every five seconds that this page is alive, visible and playing. */
export function startHeartbeat({ send, clock, onAnswer }: HeartbeatParts): Heartbeat {
  let stopped = false;
  const beat = async () => {
    const sentAt = clock.local();
    const answer = await send();
    if (stopped || !answer.ok) return;
    clock.observe(answer.value.server_time, sentAt);
    onAnswer(answer.value);
  };
  const soon = () => void beat();
  const timer = setInterval(soon, HEARTBEAT_MS);
  document.addEventListener('visibilitychange', soon);
  soon();
  return {
    beat,
    stop: () => {
      stopped = true;
      clearInterval(timer);
      document.removeEventListener('visibilitychange', soon);
    },
  };
}
