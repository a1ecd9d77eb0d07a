import { useTranslation } from '../../i18n/useText';
import { serverClock } from '../../lib/serverClock';
import { useSeconds } from '../../lib/ticker';

/** Seconds until a moment, by the server's time. */
export function SecondsLeft({ until }: { until: string }) {
  const { t } = useTranslation();
  useSeconds();
  const left = Math.max(0, Math.ceil((Date.parse(until) - serverClock.now()) / 1000));
  return <span className="figures hint">{t('rounds.left', { n: left })}</span>;
}
