import { createStore, type Store } from '../lib/store';

export type NetworkLight = 'measuring' | 'good' | 'fair' | 'poor' | 'offline';

/** Round trips, in milliseconds, up to which a lesson is smooth or still usable. */
const GOOD_MS = 200;
const FAIR_MS = 600;
const MEASURE_EVERY_MS = 4000;

/** Measures the way to the server with small requests while the pre-join page is open. */
export function watchNetwork(ping: () => Promise<boolean>): {
  light: Store<NetworkLight>;
  stop: () => void;
} {
  const light = createStore<NetworkLight>('measuring');
  const measure = async () => {
    const started = performance.now();
    const answered = await ping();
    const milliseconds = performance.now() - started;
    if (!answered) light.set('offline');
    else light.set(milliseconds <= GOOD_MS ? 'good' : milliseconds <= FAIR_MS ? 'fair' : 'poor');
  };
  void measure();
  const timer = setInterval(() => void measure(), MEASURE_EVERY_MS);
  return { light, stop: () => clearInterval(timer) };
}
