import { useEffect, useRef, useState } from 'react';
import { client } from '../../api/client';
import type { Film } from '../../api/types';
import { useTranslation } from '../../i18n/useText';
import { attachFilm, canPlay } from '../../lib/film';
import { Notice } from '../../ui/State';

/** A film as learners will see it; staff move in it as they like. */
export default function FilmPreview({ film }: { film: Film }) {
  const { t } = useTranslation();
  const video = useRef<HTMLVideoElement>(null);
  const [broken, setBroken] = useState(!canPlay());
  useEffect(() => {
    if (!video.current || !canPlay()) return;
    const source = attachFilm(video.current, client.accessToken, () => setBroken(true));
    source.load(`/api/library/films/${film.id}/media/master.m3u8`, 0);
    return () => source.destroy();
  }, [film.id]);
  return (
    <>
      {broken && (
        <Notice tone="refused" role="alert">
          {t('player.broken')}
        </Notice>
      )}
      <video
        ref={video}
        className="desk-preview-film"
        controls
        playsInline
        aria-label={film.title}
      />
    </>
  );
}
