import { createStore } from '../lib/store';
import { themeChoice } from '../lib/preferences';
import { themeSheet } from './theme';

export type Appearance = 'light' | 'dark';

/** What is shown now: the person's choice, or the system's when they leave it to the system. */
export const appearance = createStore<Appearance>('light');

export function startAppearance(): void {
  const sheet = document.createElement('style');
  sheet.textContent = themeSheet();
  document.head.append(sheet);

  const system = window.matchMedia('(prefers-color-scheme: dark)');
  const apply = () => {
    const choice = themeChoice.get();
    const next = choice === 'system' ? (system.matches ? 'dark' : 'light') : choice;
    document.documentElement.dataset['theme'] = next;
    appearance.set(next);
  };
  themeChoice.subscribe(apply);
  system.addEventListener('change', apply);
  apply();
}
