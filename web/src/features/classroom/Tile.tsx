import {
  isTrackReference,
  useIsSpeaking,
  useParticipantAttributes,
  VideoTrack,
  type TrackReferenceOrPlaceholder,
} from '@livekit/components-react';
import { ParticipantEvent, Track, type Participant } from 'livekit-client';
import { useSyncExternalStore } from 'react';
import { useTranslation } from '../../i18n/useText';
import { Avatar } from '../../ui/Avatar';
import { Icon } from '../../ui/Icon';
import { StateTag } from '../../ui/State';
import { ConnectionQualityIndicator } from './Quality';

interface Props {
  track: TrackReferenceOrPlaceholder;
  large?: boolean;
  hint?: string;
}

/** One person's picture with name, microphone, hand and connection. */
export function Tile({ track, large = false, hint }: Props) {
  const { t } = useTranslation();
  const { participant, source } = track;
  const speaking = useIsSpeaking(participant);
  const { attributes } = useParticipantAttributes({ participant });
  const name = participant.name || participant.identity;
  const called = attributes?.['floor'] === '1';
  const isScreen = source === Track.Source.ScreenShare;
  const classes = ['tile'];
  if (large) classes.push('tile-large');
  if (speaking && !isScreen) classes.push('tile-speaking');
  if (called) classes.push('tile-called');
  return (
    <div
      className={classes.join(' ')}
      data-testid="tile"
      data-identity={participant.identity}
      data-source={source}
    >
      <Picture track={track} name={name} large={large} hint={hint} />
      {called && (
        <span className="tile-floor">
          <StateTag tone="ok" icon="microphone">
            {t('room.hasFloor')}
          </StateTag>
        </span>
      )}
      {attributes?.['hand'] === '1' && (
        <span className="tile-hand" role="img" aria-label={t('room.handRaised')}>
          <Icon name="hand" size={large ? 24 : 18} />
        </span>
      )}
      <div className="tile-foot">
        <Microphone participant={participant} />
        <span className="tile-name">
          {isScreen
            ? t('room.sharing', { name })
            : participant.isLocal
              ? t('room.you', { name })
              : name}
        </span>
        <ConnectionQualityIndicator participant={participant} />
      </div>
    </div>
  );
}

function Picture(props: Props & { name: string }) {
  const { track, name, large = false, hint } = props;
  const isMirrored = !large && track.participant.isLocal && track.source === Track.Source.Camera;
  if (isTrackReference(track) && !track.publication.isMuted) {
    return (
      <VideoTrack trackRef={track} className={isMirrored ? 'tile-video mirrored' : 'tile-video'} />
    );
  }
  return (
    <div className="tile-empty">
      <Avatar name={name} size={large ? 'large' : 'normal'} />
      {hint !== undefined && <p>{hint}</p>}
    </div>
  );
}

const MICROPHONE_EVENTS = [
  ParticipantEvent.TrackMuted,
  ParticipantEvent.TrackUnmuted,
  ParticipantEvent.TrackPublished,
  ParticipantEvent.TrackUnpublished,
  ParticipantEvent.LocalTrackPublished,
  ParticipantEvent.LocalTrackUnpublished,
] as const;

/** Whether somebody has an open microphone; one that was taken away is none. */
function useHasMicrophone(participant: Participant): boolean {
  return useSyncExternalStore(
    (changed) => {
      for (const event of MICROPHONE_EVENTS) participant.on(event, changed);
      return () => {
        for (const event of MICROPHONE_EVENTS) participant.off(event, changed);
      };
    },
    () => participant.isMicrophoneEnabled,
  );
}

function Microphone({ participant }: { participant: Participant }) {
  const { t } = useTranslation();
  const isMuted = !useHasMicrophone(participant);
  return (
    <span
      className={isMuted ? 'tile-microphone tile-muted' : 'tile-microphone'}
      role="img"
      aria-label={isMuted ? t('room.microphoneOff') : t('room.microphoneOn')}
    >
      <Icon name={isMuted ? 'microphoneOff' : 'microphone'} size={16} />
    </span>
  );
}
