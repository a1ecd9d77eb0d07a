import { DownloadOutlined } from '@ant-design/icons';
import { Button, Select, Slider } from 'antd';
import { useCallback, useEffect, useState } from 'react';
import {
  exportAddress,
  segmentBytes,
  type GapCause,
  type RecordedTrack,
  type RecordingDetail,
} from '../../../api/recordings';
import { useTranslation } from '../../../i18n/useText';
import { useStore } from '../../../lib/store';
import { clockTimeExact, runningTime } from '../../../lib/time';
import { Icon } from '../../../ui/Icon';
import { Notice } from '../../../ui/State';
import { createPlayer, type Player } from './player';
import type { TapedTrack } from './RecordingDrawer';
import { barsOf, entryAt, type TapeEntry } from './tape';

const RATES = [0.5, 1, 1.25, 1.5, 2];
/** Less than this is not worth a word, milliseconds. */
const WORTH_MS = 500;

interface Props {
  recording: RecordingDetail;
  tracks: TapedTrack[];
}

/** The tracks of a recording, together by one clock. */
export function RecordingPlayer({ recording, tracks }: Props) {
  const player = usePlayer(recording, tracks);
  const pictures = tracks.filter(({ track }) => isPicture(track));
  const sounds = tracks.filter(({ track }) => !isPicture(track));
  return (
    <div className="recording" data-testid="recording-player">
      <Uncovered tracks={tracks} />
      <div className="recording-pictures">
        {pictures.map((each) => (
          <Picture key={each.track.id} player={player} taped={each} />
        ))}
      </div>
      {sounds.map(({ track }) => (
        <Sound key={track.id} player={player} id={track.id} />
      ))}
      <ControlBar recording={recording} player={player} />
      <Bars recording={recording} player={player} tracks={tracks} />
      <Events recording={recording} player={player} />
    </div>
  );
}

function usePlayer(recording: RecordingDetail, tracks: TapedTrack[]): Player {
  const [player] = useState(() =>
    createPlayer(
      tracks.map(({ track, tape }) => ({ id: track.id, tape })),
      durationOf(tracks),
      (track, sequence) => segmentBytes(recording.id, track, sequence),
    ),
  );
  useEffect(() => player.start(), [player]);
  return player;
}

function durationOf(tracks: TapedTrack[]): number {
  return Math.max(1, ...tracks.map(({ tape }) => tape.at(-1)?.to ?? 0));
}

function isPicture(track: RecordedTrack): boolean {
  return track.source === 'camera' || track.source === 'screen_share';
}

function useNameOf(): (track: RecordedTrack) => string {
  const { t } = useTranslation();
  return (track) =>
    `${track.name ?? t('recordings.someone')} · ${t(`recordedSource.${track.source}`)}`;
}

function Uncovered({ tracks }: { tracks: TapedTrack[] }) {
  const { t } = useTranslation();
  const missing = Math.max(0, ...tracks.map(({ track }) => track.uncovered_ms));
  if (missing < WORTH_MS) return null;
  return (
    <Notice tone="refused" role="alert">
      {t('recordings.uncovered', { time: runningTime(missing / 1000) })}
    </Notice>
  );
}

function Picture({ player, taped }: { player: Player; taped: TapedTrack }) {
  const { t } = useTranslation();
  const nameOf = useNameOf();
  const { track, tape } = taped;
  const { position, showing } = useStore(player.state);
  const attach = useAttached(player, track.id);
  const shows = showing[track.id] ?? 'gap';
  const gap = entryAt(tape, position)?.gap;
  return (
    <figure className="recording-picture" data-showing={shows} data-testid="recording-picture">
      <video ref={attach} muted playsInline />
      {shows !== 'playing' && (
        <p className="recording-veil">
          {shows === 'loading' && t('recordings.loading')}
          {shows === 'unplayable' && t('recordings.unplayable')}
          {shows === 'gap' && <Why gap={gap} />}
        </p>
      )}
      <figcaption>{nameOf(track)}</figcaption>
    </figure>
  );
}

function Why({ gap }: { gap: GapCause | undefined }) {
  const { t } = useTranslation();
  if (gap === undefined || gap === 'off') return t('recordings.gapOff');
  return t('recordings.gap', { why: t(`gap.${gap}`) });
}

function Sound({ player, id }: { player: Player; id: string }) {
  return <audio ref={useAttached(player, id)} />;
}

/** Gives an element to the player as long as it is on the page. */
function useAttached(player: Player, id: string) {
  return useCallback(
    (element: HTMLMediaElement | null) => (element ? player.attach(id, element) : undefined),
    [player, id],
  );
}

function ControlBar({ recording, player }: { recording: RecordingDetail; player: Player }) {
  const { t, i18n } = useTranslation();
  const { position, playing, rate } = useStore(player.state);
  const at = new Date(Date.parse(recording.started_at) + position * 1000).toISOString();
  return (
    <div className="recording-controls">
      <Button
        type="primary"
        icon={<Icon name={playing ? 'pause' : 'play'} size={18} />}
        data-testid="recording-toggle"
        onClick={player.toggle}
      >
        {playing ? t('recordings.pause') : t('recordings.play')}
      </Button>
      <span className="figures" data-testid="recording-time">
        {runningTime(position)} / {runningTime(player.duration)}
      </span>
      <span className="figures hint">{clockTimeExact(at, i18n.language)}</span>
      <Select
        aria-label={t('recordings.speed')}
        value={rate}
        options={RATES.map((value) => ({ value, label: `${String(value)}×` }))}
        onChange={player.setRate}
      />
      <Button
        icon={<DownloadOutlined />}
        onClick={() => window.location.assign(exportAddress(recording.id))}
      >
        {t('recordings.download')}
      </Button>
    </div>
  );
}

function Bars({ recording, player, tracks }: Props & { player: Player }) {
  const { t } = useTranslation();
  const { position } = useStore(player.state);
  return (
    <section aria-label={t('recordings.tracks')} className="recording-bars">
      <Slider
        min={0}
        max={player.duration}
        step={0.1}
        value={position}
        ariaLabelForHandle={t('recordings.position')}
        tooltip={{ formatter: (value) => runningTime(value ?? 0) }}
        onChange={player.seek}
      />
      {tracks.map((each) => (
        <TrackBar
          key={each.track.id}
          taped={each}
          duration={player.duration}
          position={position}
          started={recording.started_at}
        />
      ))}
    </section>
  );
}

interface TrackBarProps {
  taped: TapedTrack;
  duration: number;
  position: number;
  started: string;
}

function TrackBar({ taped: { track, tape }, duration, position }: TrackBarProps) {
  const { t } = useTranslation();
  const nameOf = useNameOf();
  const words = [t('recordings.recorded', { time: runningTime(track.recorded_ms / 1000) })];
  if (track.lost_ms >= WORTH_MS) {
    words.push(t('recordings.lost', { time: runningTime(track.lost_ms / 1000) }));
  }
  const label = `${nameOf(track)}: ${words.join(', ')}`;
  return (
    <div className="recording-track">
      <span className="recording-name">{nameOf(track)}</span>
      <div className="recording-bar" role="img" aria-label={label}>
        {barsOf(tape, duration).map((bar) => (
          <span
            key={bar.key}
            className={barLook(bar.gap)}
            title={bar.gap === undefined ? undefined : t(`gap.${bar.gap}`)}
            style={{ left: `${String(bar.start)}%`, width: `${String(bar.width)}%` }}
          />
        ))}
        <i style={{ left: `${String((position / duration) * 100)}%` }} />
      </div>
      <span className="hint figures">{words.join(' · ')}</span>
    </div>
  );
}

function barLook(gap: TapeEntry['gap']): string {
  if (gap === undefined) return 'recording-there';
  if (gap === 'off' || gap === 'unseen') return 'recording-off';
  return gap === 'paused' ? 'recording-paused' : 'recording-lost';
}

function Events({ recording, player }: { recording: RecordingDetail; player: Player }) {
  const { t, i18n } = useTranslation();
  const events = [
    ...recording.pauses.map(({ from, to, reason }) => ({
      from,
      to,
      text: t('recordings.paused', { reason }),
    })),
    ...recording.incidents.map(({ from, to, incident }) => ({
      from,
      to,
      text: t(`incident.${incident}`),
    })),
  ].sort((one, other) => Date.parse(one.from) - Date.parse(other.from));
  if (events.length === 0) return null;
  const clock = (at: string) => clockTimeExact(at, i18n.language);
  const offset = (at: string) => (Date.parse(at) - Date.parse(recording.started_at)) / 1000;
  return (
    <section className="recording-events">
      <h3>{t('recordings.pausesAndIncidents')}</h3>
      <ul>
        {events.map(({ from, to, text }) => (
          <li key={`${from} ${text}`}>
            <Icon name="alert" size={16} />
            <span className="figures">
              {to === undefined
                ? t('recordings.goesOn', { from: clock(from) })
                : t('recordings.until', { from: clock(from), to: clock(to) })}
            </span>
            <span>{text}</span>
            <Button size="small" onClick={() => player.seek(offset(to ?? from))}>
              {t('recordings.goTo', { time: runningTime(offset(to ?? from)) })}
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}
