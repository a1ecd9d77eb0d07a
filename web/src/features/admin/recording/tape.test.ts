import { describe, expect, it } from 'vitest';
import type { RecordedEntry } from '../../../api/recordings';
import { barsOf, entryAt, nextWanted, tapeOf } from './tape';

const at = (seconds: number) => new Date(1_700_000_000_000 + seconds * 1000).toISOString();

const segment = (independent = true) => ({
  media_type: 'video/webm; codecs="vp8"',
  independent,
  bytes: 1,
  sha256: '',
});

const entries: RecordedEntry[] = [
  { sequence: 0, from: at(2), to: at(10), segment: segment() },
  { sequence: 1, from: at(10), to: at(20), segment: segment(false) },
  { sequence: 2, from: at(20), to: at(50), gap: 'transport' },
  { sequence: 3, from: at(50), to: at(50), gap: 'off' },
  { sequence: 4, from: at(50), to: at(60), segment: segment() },
];
const tape = tapeOf(entries, at(0));

describe('the tape of a track', () => {
  it('counts from the beginning of the recording and leaves out what takes no time', () => {
    expect(tape.map((entry) => [entry.from, entry.to])).toEqual([
      [2, 10],
      [10, 20],
      [20, 50],
      [50, 60],
    ]);
    expect(entryAt(tape, 1)).toBeUndefined();
    expect(entryAt(tape, 20)?.gap).toBe('transport');
  });

  it('fetches what plays first, and before it what it goes on from', () => {
    const wanted = (loaded: number[], position: number) =>
      nextWanted(tape, new Set(loaded), position, 20)?.sequence;
    expect(wanted([], 0)).toBe(0);
    expect(wanted([], 15)).toBe(0);
    expect(wanted([0], 15)).toBe(1);
    expect(wanted([0, 1], 15)).toBeUndefined();
    expect(wanted([0, 1], 31)).toBe(4);
  });

  it('is drawn as pieces that touch', () => {
    expect(barsOf(tape, 100)).toEqual([
      { key: 0, start: 2, width: 18, gap: undefined },
      { key: 2, start: 20, width: 30, gap: 'transport' },
      { key: 4, start: 50, width: 10, gap: undefined },
    ]);
  });
});
