import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createEventStream } from './events';

class FakeSource {
  listeners = new Map<string, (event: unknown) => void>();
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  closed = false;
  constructor(readonly url: string) {}
  addEventListener(kind: string, listener: (event: unknown) => void) {
    this.listeners.set(kind, listener);
  }
  close() {
    this.closed = true;
  }
  push(kind: string, lastEventId: string, data: string) {
    this.listeners.get(kind)?.({ lastEventId, data });
  }
}

function setUp() {
  const opened: FakeSource[] = [];
  let token = 'first';
  let renewed: () => void = () => undefined;
  const stream = createEventStream(
    {
      accessToken: () => token,
      refresh: () => Promise.resolve({ ok: false, error: { status: 0, code: '', zh: '', en: '' } }),
      onToken: (listener) => {
        renewed = listener;
        return () => undefined;
      },
    },
    (url) => {
      const source = new FakeSource(url);
      opened.push(source);
      return source as unknown as EventSource;
    },
  );
  const renew = (next: string) => {
    token = next;
    renewed();
  };
  return { opened, stream, renew };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the event stream', () => {
  it('reopens with the newest token and the last id', () => {
    const { opened, stream, renew } = setUp();
    stream.start();
    opened[0]?.push('reset', '41', '{}');
    renew('second');
    expect(opened[0]?.closed).toBe(true);
    expect(opened[1]?.url).toBe('/api/events?access_token=second&last_event_id=41');
  });

  it('hands each event to those who listen, and drops what is malformed', () => {
    const { opened, stream } = setUp();
    const seen: unknown[] = [];
    stream.on('prompt_closed', (closed) => seen.push(closed.check_id));
    stream.start();
    opened[0]?.push('prompt_closed', '1', '{"check_id":"c"}');
    opened[0]?.push('prompt_closed', '2', '{');
    expect(seen).toEqual(['c']);
  });

  it('waits longer after each failure, and comes back', async () => {
    const { opened, stream } = setUp();
    stream.start();
    opened[0]?.onerror?.();
    await vi.advanceTimersByTimeAsync(500);
    expect(opened).toHaveLength(2);
    opened[1]?.onerror?.();
    await vi.advanceTimersByTimeAsync(500);
    expect(opened).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(500);
    expect(opened).toHaveLength(3);
  });

  it('stays closed after it was stopped', async () => {
    const { opened, stream } = setUp();
    stream.start();
    opened[0]?.onerror?.();
    stream.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(opened).toHaveLength(1);
  });
});
