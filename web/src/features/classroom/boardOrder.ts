import type { BoardRow } from '../../api/types';

/** Smaller comes first: those whom the teacher should look after, then the others by name. */
function urgency(row: BoardRow): number {
  if (row.needs_review) return 0;
  if (row.presence === 'interrupted') return 1;
  if (row.presence === 'connected' && (!row.alive || row.paused)) return 2;
  if (row.presence === 'absent') return 3;
  if (row.presence === 'connected') return 4;
  return 5;
}

export function boardOrder(a: BoardRow, b: BoardRow): number {
  return urgency(a) - urgency(b) || a.name.localeCompare(b.name, 'zh-CN');
}
