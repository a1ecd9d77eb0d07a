import type { Language } from '../lib/preferences';
import type { Problem } from '../lib/result';
import { useStore } from '../lib/store';
import { shownLanguage } from '.';
import { hasText, textIn, type TextKey, type Translate } from './texts';

interface Translation {
  t: Translate;
  i18n: { language: Language; exists: (key: string) => key is TextKey };
}

/** One function per language, so that effects may depend on it. */
const translators: Record<Language, Translate> = { 'zh-CN': textIn('zh-CN'), en: textIn('en') };

/** The texts of the shown language; the view renders again when it changes. */
export function useTranslation(): Translation {
  const shown = useStore(shownLanguage);
  return { t: translators[shown], i18n: { language: shown, exists: hasText } };
}

/** A sentence that the server wrote in both languages. */
export function useSaidText(): (said: { zh: string; en: string }) => string {
  const { i18n } = useTranslation();
  return (said) => (i18n.language === 'en' ? said.en : said.zh);
}

/** The sentence of a problem: the server's own when it has one, else one of ours. */
export function useProblemText(): (problem: Problem) => string {
  const { t, i18n } = useTranslation();
  return (problem) => {
    const told = i18n.language === 'en' ? problem.en : problem.zh;
    if (told !== '') return told;
    if (problem.code === 'app.network') return t('problem.network');
    if (problem.code === 'app.media') return t('problem.media');
    if (problem.status === 429) return t('problem.tooMany');
    if (problem.status === 403) return t('problem.forbidden');
    return t('problem.unknown');
  };
}
