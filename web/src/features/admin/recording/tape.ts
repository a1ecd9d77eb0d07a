import type { RecordedEntry } from '../../../api/recordings';

/** A stretch of a track in seconds from the recording's beginning. */
export interface TapeEntry {
  sequence: number;
  from: number;
  to: number;
  mediaType?: string;
  independent: boolean;
  gap?: NonNullable<RecordedEntry['gap']>;
}

/** Entries by the recording's own time. Those that take no time are left out. */
export function tapeOf(entries: RecordedEntry[], startedAt: string): TapeEntry[] {
  const origin = Date.parse(startedAt);
  const seconds = (at: string) => (Date.parse(at) - origin) / 1000;
  return entries
    .map((entry) => ({
      sequence: entry.sequence,
      from: seconds(entry.from),
      to: seconds(entry.to),
      mediaType: entry.segment?.media_type,
      independent: entry.segment?.independent ?? false,
      gap: entry.gap,
    }))
    .filter((entry) => entry.to > entry.from);
}

/** The entry at a time, if the track has one there. */
export function entryAt(tape: TapeEntry[], at: number): TapeEntry | undefined {
  return tape.find((entry) => entry.from <= at && at < entry.to);
}

/**
 * The next segment to fetch, so that what plays at `at` is there and `ahead` seconds more. One that
 * goes on from the segment before it needs that one first.
 */
export function nextWanted(
  tape: TapeEntry[],
  loaded: ReadonlySet<number>,
  at: number,
  ahead: number,
): TapeEntry | undefined {
  const index = tape.findIndex(
    (entry) =>
      entry.mediaType !== undefined &&
      entry.to > at &&
      entry.from < at + ahead &&
      !loaded.has(entry.sequence),
  );
  let place = index;
  while (place > 0 && tape[place]?.independent === false) {
    const before = tape[place - 1];
    if (before?.mediaType === undefined || loaded.has(before.sequence)) break;
    place -= 1;
  }
  return tape[place];
}

/** A piece of a track's bar, in percent of its width. */
export interface Bar {
  key: number;
  start: number;
  width: number;
  gap?: TapeEntry['gap'];
}

/** A track as a bar: what follows without a change is one piece. */
export function barsOf(tape: TapeEntry[], duration: number): Bar[] {
  const bars: (Bar & { to: number })[] = [];
  const percent = (seconds: number) => (seconds / Math.max(duration, 1)) * 100;
  for (const entry of tape) {
    const last = bars.at(-1);
    if (last && last.gap === entry.gap && Math.abs(last.to - entry.from) < 0.001) {
      last.to = entry.to;
      last.width = percent(entry.to) - last.start;
      continue;
    }
    const start = percent(entry.from);
    bars.push({
      key: entry.sequence,
      start,
      width: percent(entry.to) - start,
      gap: entry.gap,
      to: entry.to,
    });
  }
  return bars.map(({ key, start, width, gap }) => ({ key, start, width, gap }));
}
