import type { Language } from '../lib/preferences';
import type { zhCN } from './zh-CN';
import type { zhCNDesk } from './zh-CN.desk';
import type { zhCNFace } from './zh-CN.face';
import type { zhCNRedress } from './zh-CN.redress';
import type { zhCNStudy } from './zh-CN.study';

/** The shape of texts in any language: the keys of the Chinese ones. */
type Words<T> = { [K in keyof T]: T[K] extends string ? string : Words<T[K]> };
export type CoreTexts = Words<typeof zhCN>;
export type DeskTexts = Words<typeof zhCNDesk>;
export type FaceTexts = Words<typeof zhCNFace>;
export type RedressTexts = Words<typeof zhCNRedress>;
export type StudyTexts = Words<typeof zhCNStudy>;

/** The path to a text, such as `home.next`. */
type Path<T, Before extends string = ''> = {
  [K in keyof T & string]: T[K] extends string ? `${Before}${K}` : Path<T[K], `${Before}${K}.`>;
}[keyof T & string];
export type TextKey =
  Path<CoreTexts> | Path<DeskTexts> | Path<FaceTexts> | Path<StudyTexts> | Path<RedressTexts>;

/** Gives a text with its `{{places}}` filled. */
export type Translate = (key: TextKey, values?: Record<string, string | number>) => string;

interface Texts {
  readonly [key: string]: string | Texts;
}

const known: Record<Language, Map<string, string>> = { 'zh-CN': new Map(), en: new Map() };

export function addTexts(language: Language, texts: Texts, prefix = ''): void {
  for (const [key, text] of Object.entries(texts)) {
    if (typeof text === 'string') known[language].set(prefix + key, text);
    else addTexts(language, text, `${prefix}${key}.`);
  }
}

/** Whether there is such a text; for keys made of the server's codes. */
export function hasText(key: string): key is TextKey {
  return known['zh-CN'].has(key);
}

export function hasTexts(language: Language): boolean {
  return known[language].size > 0;
}

/** The text of a language, or the Chinese one where it is missing. */
export function textIn(language: Language): Translate {
  return (key, values) => {
    const text = known[language].get(key) ?? known['zh-CN'].get(key) ?? key;
    if (!values) return text;
    return text.replace(/\{\{(\w+)\}\}/g, (place, name: string) => String(values[name] ?? place));
  };
}
