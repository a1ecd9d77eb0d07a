import { useLocalParticipant, useParticipantAttributes } from '@livekit/components-react';
import { useEffect } from 'react';
import { Track } from 'livekit-client';
import type { Lesson } from '../../api/types';
import { ring } from '../../call/alarm';
import type { Call } from '../../call/call';
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
      <Called call={call} />
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
      {lesson.hushed === true && (
        <div data-testid="banner-hushed">
          <Notice tone="waiting" role="status">
            {isStaff ? t('banner.hushedTeacher') : t('banner.hushed')}
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
      {trouble === undefined && !isStaff && state.status === 'connected' && (
        <CameraNotice visit={visit} counts={lesson.state === 'live'} />
      )}
    </div>
  );
}

/** Told to the one whom the teacher called on, with what there is to do. */
function Called({ call }: { call: Call }) {
  const { t } = useTranslation();
  const { localParticipant, isMicrophoneEnabled } = useLocalParticipant();
  const { attributes } = useParticipantAttributes({ participant: localParticipant });
  const called = attributes?.['floor'] === '1';
  useEffect(() => {
    if (!called) return;
    ring();
    // Whoever is called on no longer needs a raised hand. Should this fail, it just stays up.
    if (localParticipant.attributes['hand'] === '1') {
      localParticipant.setAttributes({ hand: '' }).catch(() => undefined);
    }
  }, [called, localParticipant]);
  if (!called) return null;
  return (
    <div data-testid="banner-floor">
      <Notice
        tone="ok"
        role="alert"
        title={t('banner.floor')}
        action={
          isMicrophoneEnabled ? undefined : (
            <Button
              look="primary"
              icon="microphone"
              data-testid="floor-microphone"
              onClick={() => void call.toggle(Track.Source.Microphone, true)}
            >
              {t('room.unmuteSelf')}
            </Button>
          )
        }
      >
        {isMicrophoneEnabled ? t('banner.floorSpeak') : t('banner.floorMuted')}
      </Notice>
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

/** Where a face must be seen, a camera that shows nothing stops time: said at once, with the way on. */
function CameraNotice({ visit, counts }: { visit: Visit; counts: boolean }) {
  const { t } = useTranslation();
  const sight = useStore(visit.sight);
  const { isCameraEnabled } = useLocalParticipant();
  if (sight === undefined || !counts) return <NoCamera />;
  if (!isCameraEnabled) {
    return (
      <div data-testid="banner-camera">
        <Notice
          tone="attention"
          role="alert"
          title={t('banner.cameraNeeded')}
          action={
            <Button
              look="primary"
              icon="camera"
              data-testid="banner-camera-on"
              onClick={() => void visit.call.toggle(Track.Source.Camera, true)}
            >
              {t('banner.cameraOn')}
            </Button>
          }
        >
          {t('banner.cameraNeededHint')}
        </Notice>
      </div>
    );
  }
  if (sight === 'seen') return null;
  return (
    <div data-testid="banner-dark">
      <Notice tone="attention" role="alert" title={t('banner.dark')}>
        {t('banner.darkHint')}
      </Notice>
    </div>
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
