import i18next from 'i18next';
import { language, type Language } from '../lib/preferences';
import { zhCN } from './zh-CN';
import type { zhCNDesk } from './zh-CN.desk';

/** The shape of texts in any language: the keys of the Chinese ones. */
type Words<T> = { [K in keyof T]: T[K] extends string ? string : Words<T[K]> };
export type CoreTexts = Words<typeof zhCN>;
export type DeskTexts = Words<typeof zhCNDesk>;

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'translation';
    resources: { translation: CoreTexts & DeskTexts };
  }
}

const NAMESPACE = 'translation';

async function show(next: Language): Promise<void> {
  if (next === 'en' && !i18next.hasResourceBundle('en', NAMESPACE)) {
    // English comes whole: whoever works in it may open the desk at any time.
    const [{ en }, { enDesk }] = await Promise.all([import('./en'), import('./en.desk')]);
    i18next.addResourceBundle('en', NAMESPACE, { ...en, ...enDesk });
  }
  await i18next.changeLanguage(next);
  document.documentElement.lang = next;
}

/** Prepares the texts; those of a language or of the desk are loaded when they are needed. */
export async function startTexts(): Promise<void> {
  await i18next.init({
    lng: 'zh-CN',
    fallbackLng: 'zh-CN',
    resources: { 'zh-CN': { [NAMESPACE]: zhCN } },
    interpolation: { escapeValue: false },
  });
  await show(language.get());
  language.subscribe(() => void show(language.get()));
}

/** Adds the desk's own texts to the Chinese ones; called before the desk is shown. */
export async function loadDeskTexts(): Promise<void> {
  const { zhCNDesk } = await import('./zh-CN.desk');
  i18next.addResourceBundle('zh-CN', NAMESPACE, zhCNDesk, true);
}
