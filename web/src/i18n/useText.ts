import i18next, { type TFunction } from 'i18next';
import { useSyncExternalStore } from 'react';
import type { Problem } from '../lib/result';

interface Translation {
  t: TFunction;
  i18n: typeof i18next;
}

function subscribe(listener: () => void): () => void {
  i18next.on('languageChanged', listener);
  return () => i18next.off('languageChanged', listener);
}

const currentLanguage = () => i18next.language;

/** The texts of the chosen language; the view renders again when it changes. */
export function useTranslation(): Translation {
  const shown = useSyncExternalStore(subscribe, currentLanguage);
  return { t: translatorOf(shown), i18n: i18next };
}

const translators = new Map<string, TFunction>();

/** One function per language, so that effects may depend on it. */
function translatorOf(shown: string): TFunction {
  const known = translators.get(shown);
  if (known) return known;
  const made = i18next.getFixedT(shown);
  translators.set(shown, made);
  return made;
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
