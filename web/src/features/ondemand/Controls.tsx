import { useState, type RefObject } from 'react';
import type { Play } from '../../api/types';
import { useTranslation } from '../../i18n/useText';
import { useStore } from '../../lib/store';
import { runningTime } from '../../lib/time';
import { Button } from '../../ui/Button';
import { STEP_S, type Playback } from './playback';

/** Speeds that are offered, as far as the course allows them, percent. */
const SPEEDS = [100, 125, 150, 200];

interface Props {
  play: Play;
  playback: Playback;
  stage: RefObject<HTMLDivElement | null>;
}

/** Large buttons below the picture: nothing hides, nothing has to be found. */
export function Controls({ play, playback, stage }: Props) {
  const { t } = useTranslation();
  const moment = useStore(playback.moment);
  const speeds = SPEEDS.filter((speed) => speed <= play.speed_percent);
  return (
    <div className="player-controls">
      <Slider play={play} playback={playback} />
      <div className="player-buttons">
        <Button
          look="primary"
          size="large"
          icon={moment.playing ? 'pause' : 'play'}
          data-testid="player-toggle"
          onClick={playback.toggle}
        >
          {moment.playing ? t('player.pause') : t('player.play')}
        </Button>
        <Button
          icon="backward"
          aria-label={t('player.back')}
          title={t('player.back')}
          onClick={() => playback.step(-STEP_S)}
        >
          {STEP_S}
        </Button>
        <Button
          icon="forward"
          aria-label={t('player.forward')}
          title={t('player.forward')}
          onClick={() => playback.step(STEP_S)}
        >
          {STEP_S}
        </Button>
        <span className="player-gap" />
        {speeds.length > 1 && (
          <label className="player-speed">
            <span>{t('player.speed')}</span>
            <select
              value={moment.speed * 100}
              onChange={(event) => playback.setSpeed(Number(event.target.value) / 100)}
            >
              {speeds.map((speed) => (
                <option key={speed} value={speed}>
                  {(speed / 100).toFixed(2).replace(/0$/, '')}×
                </option>
              ))}
            </select>
          </label>
        )}
        <Button
          icon={moment.muted ? 'soundOff' : 'sound'}
          aria-label={moment.muted ? t('player.unmute') : t('player.mute')}
          aria-pressed={moment.muted}
          onClick={() => playback.setMuted(!moment.muted)}
        />
        <FullScreen stage={stage} />
        {play.picture && play.sound && (
          <Button
            className="player-sound-only"
            icon={moment.soundOnly ? 'film' : 'sound'}
            onClick={() => playback.setSoundOnly(!moment.soundOnly)}
          >
            {moment.soundOnly ? t('player.picture') : t('player.sound')}
          </Button>
        )}
      </div>
    </div>
  );
}

function FullScreen({ stage }: { stage: RefObject<HTMLDivElement | null> }) {
  const { t } = useTranslation();
  if (!document.fullscreenEnabled) return null;
  return (
    <Button
      icon="full"
      aria-label={t('player.full')}
      onClick={() => void stage.current?.requestFullscreen().catch(() => undefined)}
    />
  );
}

/** The whole film, with what was watched of it; the thumb stays within that. */
function Slider({ play, playback }: { play: Play; playback: Playback }) {
  const { t } = useTranslation();
  const moment = useStore(playback.moment);
  // While it is dragged it follows the finger, and the film follows when it is let go.
  const [dragged, setDragged] = useState<number>();
  const share = (ms: number) => `${Math.min(100, (ms / play.duration_ms) * 100)}%`;
  const shown = dragged ?? moment.positionMs;
  const time = (ms: number) => runningTime(ms / 1000);
  const letGo = () => {
    if (dragged !== undefined) playback.seek(dragged);
    setDragged(undefined);
  };
  return (
    <div className="player-slider">
      <div className="player-track" aria-hidden="true">
        <span className="player-watched" style={{ width: share(moment.watchedMs) }} />
        <span className="player-at" style={{ width: share(shown) }} />
      </div>
      <input
        type="range"
        min={0}
        max={play.duration_ms}
        step={1000}
        value={shown}
        aria-label={t('player.position')}
        aria-valuetext={t('player.positionText', {
          at: time(shown),
          of: time(play.duration_ms),
          watched: time(moment.watchedMs),
        })}
        data-testid="player-slider"
        onChange={(event) => setDragged(Number(event.target.value))}
        onPointerUp={letGo}
        onKeyUp={letGo}
        onBlur={letGo}
      />
      <div className="player-times figures">
        <span>{time(shown)}</span>
        <span>{time(play.duration_ms)}</span>
      </div>
    </div>
  );
}
