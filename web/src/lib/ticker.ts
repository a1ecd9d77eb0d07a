import { useSyncExternalStore } from 'react';

/** One timer for all who show running time, stopped while nobody looks. */
function createTicker(milliseconds: number) {
  const listeners = new Set<() => void>();
  let timer: ReturnType<typeof setInterval> | undefined;
  let count = 0;
  const subscribe = (listener: () => void) => {
    listeners.add(listener);
    timer ??= setInterval(() => {
      count += 1;
      for (const each of [...listeners]) each();
    }, milliseconds);
    return () => {
      listeners.delete(listener);
      if (listeners.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    };
  };
  return { subscribe, get: () => count };
}

const quarter = createTicker(250);
const second = createTicker(1000);

/** Renders again four times a second, for a countdown. */
export function useQuarterSeconds(): number {
  return useSyncExternalStore(quarter.subscribe, quarter.get);
}

/** Renders again every second. */
export function useSeconds(): number {
  return useSyncExternalStore(second.subscribe, second.get);
}
