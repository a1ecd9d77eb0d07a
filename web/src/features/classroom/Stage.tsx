import {
  isTrackReference,
  useTracks,
  type TrackReferenceOrPlaceholder,
} from '@livekit/components-react';
import { Track } from 'livekit-client';
import type { Call } from '../../call/call';
import { useTranslation } from '../../i18n/useText';
import { Button } from '../../ui/Button';
import { Icon } from '../../ui/Icon';
import { chooseStage } from './chooseStage';
import { Tile } from './Tile';

/** The teacher's stage with the strip of everybody else below it. */
export function Stage({ call, isStaff }: { call: Call; isStaff: boolean }) {
  const { t } = useTranslation();
  const tracks = useTracks(
    [
      { source: Track.Source.Camera, withPlaceholder: true },
      { source: Track.Source.ScreenShare, withPlaceholder: false },
    ],
    { onlySubscribed: false },
  );
  const { stage, strip } = chooseStage(tracks);
  return (
    <>
      <section
        className="stage"
        data-testid="stage"
        data-identity={stage?.participant.identity}
        data-source={stage?.source}
        aria-label={t('room.stage')}
      >
        {stage ? <OnStage call={call} stage={stage} isStaff={isStaff} /> : <NobodyOnStage />}
      </section>
      <section className="strip" aria-label={t('room.strip')} tabIndex={0}>
        {strip.map((track) => (
          <Tile key={`${track.participant.identity} ${track.source}`} track={track} />
        ))}
        {strip.length === 0 && <p className="strip-empty">{t('room.noLearners')}</p>}
      </section>
    </>
  );
}

function OnStage(props: { call: Call; stage: TrackReferenceOrPlaceholder; isStaff: boolean }) {
  const { t } = useTranslation();
  const { stage, call } = props;
  if (stage.source === Track.Source.ScreenShare && stage.participant.isLocal) {
    return (
      <div className="stage-words">
        <Icon name="screen" size={48} />
        <p>{t('room.sharing', { name: t('room.me') })}</p>
        <Button look="danger" onClick={() => void call.toggle(Track.Source.ScreenShare, false)}>
          {t('room.stopSharing')}
        </Button>
      </div>
    );
  }
  const hint = stage.participant.isLocal ? t('room.yourStage') : t('room.waitingTeacher');
  return <Tile track={stage} large hint={isTrackReference(stage) ? undefined : hint} />;
}

function NobodyOnStage() {
  const { t } = useTranslation();
  return (
    <div className="stage-words">
      <Icon name="user" size={48} />
      <p>{t('room.teacherAway')}</p>
    </div>
  );
}
