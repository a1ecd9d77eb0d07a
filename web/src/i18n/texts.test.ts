import { describe, expect, it } from 'vitest';
import { en } from './en';
import { enDesk } from './en.desk';
import { enFace } from './en.face';
import { enRedress } from './en.redress';
import { enStudy } from './en.study';
import { addTexts, hasText, textIn } from './texts';
import { zhCN } from './zh-CN';
import { zhCNDesk } from './zh-CN.desk';
import { zhCNFace } from './zh-CN.face';
import { zhCNRedress } from './zh-CN.redress';
import { zhCNStudy } from './zh-CN.study';

interface Texts {
  [key: string]: string | Texts;
}

function flat(texts: Texts, prefix = ''): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(texts)) {
    const path = `${prefix}${key}`;
    if (typeof value === 'string') found.set(path, value);
    else for (const [inner, text] of flat(value, `${path}.`)) found.set(inner, text);
  }
  return found;
}

const chinese = flat({ ...zhCN, ...zhCNDesk, ...zhCNFace, ...zhCNStudy, ...zhCNRedress });
const english = flat({ ...en, ...enDesk, ...enFace, ...enStudy, ...enRedress });

const sources = import.meta.glob<string>('/src/**/*.{ts,tsx,css}', {
  query: '?raw',
  import: 'default',
  eager: true,
});

function offending(pattern: RegExp, allowed: (path: string) => boolean): string[] {
  return Object.entries(sources)
    .filter(([path]) => !allowed(path))
    .flatMap(([path, text]) =>
      text
        .split('\n')
        .flatMap((line, index) =>
          pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [],
        ),
    );
}

describe('the texts', () => {
  it('have the same keys in both languages', () => {
    expect([...english.keys()].sort()).toEqual([...chinese.keys()].sort());
  });

  it('name the same values in both languages', () => {
    const names = (text: string) =>
      [...text.matchAll(/\{\{(\w+)\}\}/g)].map((each) => each[1]).sort();
    for (const [key, text] of chinese) {
      expect(names(english.get(key) ?? ''), key).toEqual(names(text));
    }
  });

  it('are never empty', () => {
    for (const [key, text] of [...chinese, ...english]) expect(text.trim(), key).not.toBe('');
  });

  it('are in no other file', () => {
    const found = offending(/[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]/, (path) =>
      path.startsWith('/src/i18n/zh-CN'),
    );
    expect(found).toEqual([]);
  });
});

describe('a text', () => {
  addTexts('zh-CN', zhCN);
  addTexts('en', { home: { morning: en.home.morning } });

  it('has its places filled with the values as they are', () => {
    expect(textIn('en')('home.morning', { name: '$& {{name}}' })).toBe('Good morning, $& {{name}}');
  });

  it('is the Chinese one where a language has none', () => {
    expect(textIn('en')('home.next')).toBe(zhCN.home.next);
  });

  it('is known or unknown by its key, for codes of a newer server', () => {
    expect(hasText('reason.check_missed')).toBe(true);
    expect(hasText('reason.something_new')).toBe(false);
  });
});

describe('colours', () => {
  it('are named in the theme only', () => {
    const found = offending(
      /#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|oklch)a?\(/i,
      (path) => path === '/src/ui/theme.ts' || /\.test\.tsx?$/.test(path),
    );
    expect(found).toEqual([]);
  });
});
