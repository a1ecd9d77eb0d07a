import { describe, expect, it } from 'vitest';
import { timeline, type Stretch } from './timeline';

const START = '2026-11-22T02:00:00Z';

function stretch(from: number, to: number, verdict: Stretch['verdict'] = 'credited'): Stretch {
  const at = (minute: number) => new Date(Date.parse(START) + minute * 60_000).toISOString();
  return { from: at(from), to: at(to), seconds: (to - from) * 60, verdict };
}

function shape(stretches: Stretch[], end?: number) {
  const endsAt = end === undefined ? undefined : stretch(0, end).to;
  return timeline(stretches, START, endsAt).segments.map(({ kind, start, width }) => [
    kind,
    Math.round(start),
    Math.round(width),
  ]);
}

describe('the timeline', () => {
  it('fills what nobody claimed with grey', () => {
    expect(shape([stretch(10, 30), stretch(40, 50, 'withheld')], 100)).toEqual([
      ['none', 0, 10],
      ['credited', 10, 20],
      ['none', 30, 10],
      ['withheld', 40, 10],
      ['none', 50, 50],
    ]);
  });

  it('orders stretches by time', () => {
    expect(shape([stretch(50, 100, 'withheld'), stretch(0, 50)])).toEqual([
      ['credited', 0, 50],
      ['withheld', 50, 50],
    ]);
  });

  it('never exceeds the bar when stretches overlap', () => {
    const segments = timeline([stretch(0, 60), stretch(30, 100, 'withheld')], START).segments;
    expect(segments.reduce((sum, segment) => sum + segment.width, 0)).toBeCloseTo(100);
    expect(shape([stretch(0, 60), stretch(30, 100, 'withheld')])).toEqual([
      ['credited', 0, 60],
      ['withheld', 60, 40],
    ]);
  });

  it('is empty without any time', () => {
    expect(shape([])).toEqual([]);
    expect(shape([stretch(5, 5)])).toEqual([]);
  });
});
