import { describe, expect, it } from 'vitest';
import type { CaptureProgress, FaceCapture } from '../api/faces';
import { nextCapture, type CaptureEvent, type CaptureState } from './captureState';

function told(progress: CaptureProgress, change: Partial<FaceCapture> = {}): CaptureEvent {
  return { type: 'told', told: { progress, good: 0, wanted: 5, message: null, ...change } };
}

function after(...events: CaptureEvent[]): CaptureState {
  return events.reduce<CaptureState>(nextCapture, { status: 'idle' });
}

const asked: CaptureEvent = { type: 'asked' };
const published: CaptureEvent = { type: 'published' };

describe('taking one’s pictures', () => {
  it('counts good pictures and shows what is wrong until it is right', () => {
    const message = { code: 'too_dark', zh: 'z', en: 'e' };
    const dark = after(asked, published, told('looking', { good: 1, message }));
    expect(dark).toEqual({ status: 'looking', good: 1, wanted: 5, message });
    expect(nextCapture(dark, told('looking', { good: 2 }))).toEqual({
      status: 'looking',
      good: 2,
      wanted: 5,
    });
  });

  it('may hear of its pictures before the browser has told that it publishes', () => {
    expect(after(asked, told('looking', { good: 1 }), published)).toMatchObject({ good: 1 });
  });

  it.each(['too_few', 'not_one_person', 'no_camera', 'failed'] as const)(
    'ends with %s, and can be tried again',
    (progress) => {
      const failed = after(asked, published, told(progress));
      expect(failed).toEqual({ status: 'failed', trouble: { kind: 'progress', progress } });
      expect(nextCapture(failed, asked)).toEqual({ status: 'opening' });
    },
  );

  it('hears nothing of another page', () => {
    expect(after(told('taken'))).toEqual({ status: 'idle' });
    expect(after(asked, published, { type: 'stopped' }, told('looking'))).toEqual({
      status: 'idle',
    });
  });

  it('stays taken whatever comes late', () => {
    const taken = after(asked, published, told('taken'));
    expect(taken).toEqual({ status: 'taken' });
    expect(nextCapture(taken, told('failed'))).toBe(taken);
    expect(nextCapture(taken, { type: 'stopped' })).toBe(taken);
  });
});
