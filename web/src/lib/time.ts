const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${locale} ${JSON.stringify(options)}`;
  const known = formatters.get(key);
  if (known) return known;
  const made = new Intl.DateTimeFormat(locale, options);
  formatters.set(key, made);
  return made;
}

/** Wall time of day, such as 14:05. */
export function clockTime(iso: string, locale: string): string {
  return formatter(locale, { hour: '2-digit', minute: '2-digit', hour12: false }).format(
    new Date(iso),
  );
}

/** Wall time with seconds, such as 14:05:09. */
export function clockTimeExact(iso: string, locale: string): string {
  return formatter(locale, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hour12: false,
  }).format(new Date(iso));
}

/** Day and weekday, such as Sunday 22 November. */
export function dayLabel(iso: string | Date, locale: string): string {
  return formatter(locale, { month: 'long', day: 'numeric', weekday: 'long' }).format(
    new Date(iso),
  );
}

/** Day and time on one line, for tables. */
export function dateTime(iso: string, locale: string): string {
  return formatter(locale, {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hour12: false,
  }).format(new Date(iso));
}

/** Day and time with seconds, for the audit. */
export function dateTimeExact(iso: string, locale: string): string {
  return formatter(locale, {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hour12: false,
  }).format(new Date(iso));
}

export function timeRange(from: string, to: string, locale: string): string {
  return `${clockTime(from, locale)} – ${clockTime(to, locale)}`;
}

/** Seconds as 1:02:03 or 2:03, for running figures. */
export function runningTime(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const rest = String(whole % 60).padStart(2, '0');
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`;
}

/** Whole minutes, rounded down: a minute counts when it is complete. */
export function wholeMinutes(seconds: number): number {
  return Math.floor(Math.max(0, seconds) / 60);
}
