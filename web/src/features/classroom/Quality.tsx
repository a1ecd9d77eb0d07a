import { useConnectionQualityIndicator } from '@livekit/components-react';
import { ConnectionQuality, type Participant } from 'livekit-client';
import { useTranslation } from '../../i18n/useText';

const BARS: Record<ConnectionQuality, number> = {
  [ConnectionQuality.Excellent]: 3,
  [ConnectionQuality.Good]: 2,
  [ConnectionQuality.Poor]: 1,
  [ConnectionQuality.Lost]: 0,
  [ConnectionQuality.Unknown]: 0,
};

/** Three bars for the connection of one participant, with the same in words. */
export function ConnectionQualityIndicator({ participant }: { participant: Participant }) {
  const { t } = useTranslation();
  const { quality } = useConnectionQualityIndicator({ participant });
  const texts: Record<ConnectionQuality, string> = {
    [ConnectionQuality.Excellent]: t('room.qualityExcellent'),
    [ConnectionQuality.Good]: t('room.qualityGood'),
    [ConnectionQuality.Poor]: t('room.qualityPoor'),
    [ConnectionQuality.Lost]: t('room.qualityLost'),
    [ConnectionQuality.Unknown]: t('room.qualityUnknown'),
  };
  const bars = BARS[quality];
  return (
    <span
      className={`quality quality-${quality}`}
      role="img"
      aria-label={`${t('room.quality')}: ${texts[quality]}`}
      title={texts[quality]}
      data-quality={quality}
    >
      {[1, 2, 3].map((bar) => (
        <i key={bar} className={bar <= bars ? 'quality-bar quality-on' : 'quality-bar'} />
      ))}
    </span>
  );
}
