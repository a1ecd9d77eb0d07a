import { createStore } from './store';

export type ThemeChoice = 'system' | 'light' | 'dark';
export type Language = 'zh-CN' | 'en';

const THEME_KEY = 'mingtang.theme';
const LANGUAGE_KEY = 'mingtang.language';
const DEVICE_KEY = 'mingtang.device';
const TEST_KEY = 'mingtang.test';

/** Storage may be refused (private windows); the app works without it. */
function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Nothing is lost but the memory of a preference.
  }
}

function readTheme(): ThemeChoice {
  const stored = read(THEME_KEY);
  return stored === 'light' || stored === 'dark' ? stored : 'system';
}

function readLanguage(): Language {
  const stored = read(LANGUAGE_KEY);
  return stored === 'en' ? 'en' : 'zh-CN';
}

export const themeChoice = createStore<ThemeChoice>(readTheme());
export const language = createStore<Language>(readLanguage());

export function chooseTheme(choice: ThemeChoice): void {
  write(THEME_KEY, choice);
  themeChoice.set(choice);
}

export function chooseLanguage(choice: Language): void {
  write(LANGUAGE_KEY, choice);
  language.set(choice);
}

/** A random id of this browser profile. `randomUUID` is missing on plain HTTP, bytes are not. */
export function deviceId(): string {
  const stored = read(DEVICE_KEY);
  if (stored) return stored;
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  const made = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
  write(DEVICE_KEY, made);
  return made;
}

/** Browser tests set this to read the room's statistics. */
export function isUnderTest(): boolean {
  return read(TEST_KEY) === '1';
}
