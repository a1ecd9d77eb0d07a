import { patiently } from '../lib/patiently';
import { language, type Language } from '../lib/preferences';
import { createStore } from '../lib/store';
import { addTexts, hasTexts } from './texts';
import { zhCN } from './zh-CN';

/** The language that the page shows; it follows the chosen one as soon as its texts are here. */
export const shownLanguage = createStore<Language>('zh-CN');

async function show(next: Language): Promise<void> {
  if (!hasTexts(next)) await loadEnglish();
  if (next !== language.get()) return;
  document.documentElement.lang = next;
  shownLanguage.set(next);
}

/** English comes whole: whoever works in it may open the desk at any time. */
async function loadEnglish(): Promise<void> {
  const [{ en }, { enDesk }, { enFace }, { enStudy }, { enRedress }] = await patiently(() =>
    Promise.all([
      import('./en'),
      import('./en.desk'),
      import('./en.face'),
      import('./en.study'),
      import('./en.redress'),
    ]),
  );
  addTexts('en', en);
  addTexts('en', enDesk);
  addTexts('en', enFace);
  addTexts('en', enStudy);
  addTexts('en', enRedress);
}

/** Prepares the texts; those of a language or of the desk are loaded when they are needed. */
export async function startTexts(): Promise<void> {
  addTexts('zh-CN', zhCN);
  language.subscribe(() => void show(language.get()));
  await show(language.get());
}

/** Adds the desk's own texts to the Chinese ones; called before the desk is shown. */
export async function loadDeskTexts(): Promise<void> {
  const [{ zhCNDesk }] = await Promise.all([
    import('./zh-CN.desk'),
    loadFaceTexts(),
    loadStudyTexts(),
    loadRedressTexts(),
  ]);
  addTexts('zh-CN', zhCNDesk);
}

/** Adds the texts of the face pages to the Chinese ones; called before one is shown. */
export async function loadFaceTexts(): Promise<void> {
  const { zhCNFace } = await import('./zh-CN.face');
  addTexts('zh-CN', zhCNFace);
}

/** Adds the texts of lessons on demand to the Chinese ones; called before one is shown. */
export async function loadStudyTexts(): Promise<void> {
  const { zhCNStudy } = await import('./zh-CN.study');
  addTexts('zh-CN', zhCNStudy);
}

/** Adds the texts of appeals to the Chinese ones; called before one's record or the desk is shown. */
export async function loadRedressTexts(): Promise<void> {
  const { zhCNRedress } = await import('./zh-CN.redress');
  addTexts('zh-CN', zhCNRedress);
}
