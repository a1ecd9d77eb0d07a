import { useLocalParticipant } from '@livekit/components-react';
import { Track } from 'livekit-client';
import type { Lesson } from '../../api/types';
import type { Visit } from '../../call/visit';
import { useTranslation } from '../../i18n/useText';
import { useStore } from '../../lib/store';
import { Button } from '../../ui/Button';
import { Notice } from '../../ui/State';

/** What everybody in the room must know right now, over the stage. */
export function Banners({ visit, lesson }: { visit: Visit; lesson: Lesson }) {
  const { t } = useTranslation();
  const { call } = visit;
  const state = useStore(call.state);
  const soundBlocked = useStore(call.soundBlocked);
  const trouble = useStore(call.deviceTrouble);
  const isStaff = lesson.my_role !== 'learner';
  return (
    <div className="banners">
      {state.status === 'reconnecting' && (
        <div data-testid="banner-reconnecting">
          <Notice tone="attention" role="alert">
            {t('banner.reconnecting')}
          </Notice>
        </div>
      )}
      {lesson.state === 'break' && (
        <div data-testid="banner-break">
          <Notice tone="waiting" role="status">
            {isStaff ? t('banner.breakTeacher') : t('banner.break')}
          </Notice>
        </div>
      )}
      {soundBlocked && (
        <Notice
          tone="attention"
          role="status"
          action={
            <Button look="primary" icon="sound" onClick={() => void call.room.startAudio()}>
              {t('banner.soundButton')}
            </Button>
          }
        >
          {t('banner.sound')}
        </Notice>
      )}
      {trouble !== undefined && <DeviceTrouble source={trouble} />}
      {trouble === undefined && !isStaff && state.status === 'connected' && <NoCamera />}
    </div>
  );
}

function DeviceTrouble({ source }: { source: Track.Source }) {
  const { t } = useTranslation();
  const text =
    source === Track.Source.Microphone
      ? t('banner.microphoneTrouble')
      : source === Track.Source.Camera
        ? t('banner.cameraTrouble')
        : t('banner.screenTrouble');
  return (
    <Notice tone="refused" role="alert">
      {text}
    </Notice>
  );
}

/** Told once as plain information, only to those who came without any camera. */
function NoCamera() {
  const { t } = useTranslation();
  const { cameraTrack } = useLocalParticipant();
  if (cameraTrack) return null;
  return (
    <Notice tone="neutral" role="status">
      {t('banner.noCamera')}
    </Notice>
  );
}
