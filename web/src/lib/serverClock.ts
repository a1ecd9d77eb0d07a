/**
 * The server's time as this page knows it. The local side is monotonic, so that changing the
 * device's wall clock in mid-lesson moves no countdown.
 */
export interface ServerClock {
  /** Milliseconds since the epoch by the server's clock. */
  now: () => number;
  /** Learns from an answer that was asked for at `sentAt` (both by `local`). */
  observe: (serverTime: string, sentAt?: number) => void;
  /** Monotonic local milliseconds. */
  local: () => number;
}

interface Sample {
  offset: number;
  roundTrip: number;
}

/** Round trip assumed for a time that was pushed and not asked for; any real sample beats it. */
const PUSHED_ROUND_TRIP_MS = 60_000;

export function createServerClock(local: () => number): ServerClock {
  let best: Sample | undefined;
  return {
    local,
    now: () => local() + (best?.offset ?? 0),
    observe: (serverTime, sentAt) => {
      const server = Date.parse(serverTime);
      if (Number.isNaN(server)) return;
      const received = local();
      const asked = sentAt !== undefined;
      const roundTrip = asked ? Math.max(0, received - sentAt) : PUSHED_ROUND_TRIP_MS;
      // A sample as quick as the best one is newer and therefore better: quartz drifts.
      if (best && roundTrip > best.roundTrip) return;
      best = { offset: server + (asked ? roundTrip / 2 : 0) - received, roundTrip };
    },
  };
}

export const serverClock = createServerClock(() => performance.timeOrigin + performance.now());
