import type { Page } from '../../api/types';
import { downloadCsv } from '../../lib/csv';
import { success, type Result } from '../../lib/result';

/** The API's largest page. */
export const API_PAGE_MAX = 200;
/** Rows in one file; who needs more narrows the filter. */
const ROWS_MAX = 20_000;

export interface CsvColumn<Row> {
  title: string;
  value: (row: Row) => string | number;
}

/** Offers rows as a file and says how many they are. */
export function exportCsv<Row>(name: string, columns: CsvColumn<Row>[], rows: Row[]): number {
  downloadCsv(
    name,
    columns.map((column) => column.title),
    rows.map((row) => columns.map((column) => column.value(row))),
  );
  return rows.length;
}

/** All rows of a list that comes by pages, up to the bound of a file. */
export async function everyPage<Row>(
  load: (page: number, size: number) => Promise<Result<Page<Row>>>,
): Promise<Result<Row[]>> {
  const rows: Row[] = [];
  for (let page = 1; rows.length < ROWS_MAX; page += 1) {
    const loaded = await load(page, API_PAGE_MAX);
    if (!loaded.ok) return loaded;
    rows.push(...loaded.value.items);
    if (loaded.value.items.length === 0 || rows.length >= loaded.value.total) break;
  }
  return success(rows);
}
