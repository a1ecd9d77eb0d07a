/** One cell of RFC 4180, guarded so that a spreadsheet never runs it as a formula. */
function cell(value: string | number): string {
  const text = String(value);
  const guarded = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
}

export function toCsv(header: string[], rows: (string | number)[][]): string {
  return [header, ...rows].map((row) => row.map(cell).join(',')).join('\r\n') + '\r\n';
}

/** Offers rows as a file. */
export function downloadCsv(name: string, header: string[], rows: (string | number)[][]): void {
  saveFile(`${name}.csv`, toCsv(header, rows));
}

/** Offers a table as a file. The byte order mark makes Excel read it as UTF-8. */
export function saveFile(name: string, table: string): void {
  offer(new Blob(['\ufeff', table], { type: 'text/csv;charset=utf-8' }), name);
}

/** Offers something as a file. */
export function offer(file: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
