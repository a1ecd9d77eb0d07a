/** How one stretch of a lesson counted. */
export interface Stretch {
  from: string;
  to: string;
  seconds: number;
  verdict: 'credited' | 'withheld' | 'pending';
  reason?: string | null;
}

export type SegmentKind = Stretch['verdict'] | 'none';

/** A piece of the bar, in percent of its width. */
export interface Segment {
  kind: SegmentKind;
  start: number;
  width: number;
  stretch?: Stretch;
}

export interface Timeline {
  from: number;
  to: number;
  segments: Segment[];
}

/**
 * Lays stretches on a bar that spans the lesson, with gaps shown as `none`. Stretches outside the
 * lesson widen the bar; overlaps are cut at the earlier stretch's end, so the bar never exceeds 100 %.
 */
export function timeline(stretches: Stretch[], startsAt: string, endsAt?: string): Timeline {
  const spans = stretches
    .map((stretch) => ({ stretch, from: Date.parse(stretch.from), to: Date.parse(stretch.to) }))
    .filter((span) => span.to > span.from)
    .sort((a, b) => a.from - b.from);
  const starts = [Date.parse(startsAt), ...spans.map((span) => span.from)];
  const ends = [...(endsAt ? [Date.parse(endsAt)] : []), ...spans.map((span) => span.to)];
  const from = Math.min(...starts);
  const to = ends.length > 0 ? Math.max(...ends) : from;
  const length = to - from;
  if (length <= 0) return { from, to, segments: [] };

  const segments: Segment[] = [];
  const percent = (at: number) => ((at - from) / length) * 100;
  let cursor = from;
  const push = (kind: SegmentKind, end: number, stretch?: Stretch) => {
    if (end <= cursor) return;
    const start = percent(cursor);
    segments.push({ kind, start, width: percent(end) - start, stretch });
    cursor = end;
  };
  for (const span of spans) {
    push('none', span.from);
    push(span.stretch.verdict, span.to, span.stretch);
  }
  push('none', to);
  return { from, to, segments };
}
