import { useTranslation } from '../../i18n/useText';
import type { Film, FilmState } from '../../api/types';
import type { Tone } from '../../ui/State';

export const FILM_TONE: Record<FilmState, Tone> = {
  uploading: 'attention',
  uploaded: 'waiting',
  queued: 'waiting',
  importing: 'waiting',
  ready: 'ok',
  refused: 'refused',
};

/** Why a film cannot be used, in words. */
export function useUnfitText(): (film: Film) => string {
  const { t, i18n } = useTranslation();
  return (film) => {
    const key = `unfit.${film.reason ?? ''}`;
    return i18n.exists(key) ? t(key) : t('films.refused');
  };
}

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

/** Bytes as people say them, such as 1.5 GB. */
export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit] ?? ''}`;
}

/** A file's name without its ending: a title to begin with. */
export function titleOf(name: string): string {
  return name.replace(/\.[^.]{1,5}$/, '').slice(0, 100);
}
