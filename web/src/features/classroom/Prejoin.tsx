import { useMutation } from '@tanstack/react-query';
import type { LocalAudioTrack, LocalVideoTrack } from 'livekit-client';
import { useEffect, useRef } from 'react';
import { Link } from 'wouter';
import { actOnLesson } from '../../api/calls';
import { keys, queryClient } from '../../api/live';
import { useOwnFace } from '../../api/ownFace';
import type { Lesson } from '../../api/types';
import { watchLevel } from '../../call/level';
import type { NetworkLight } from '../../call/network';
import type { DeviceState, DeviceTrouble } from '../../call/preview';
import type { Visit } from '../../call/visit';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, unwrap } from '../../lib/result';
import { useStore } from '../../lib/store';
import { timeRange } from '../../lib/time';
import { Button, ButtonLink } from '../../ui/Button';
import { SelectField } from '../../ui/Field';
import { Icon } from '../../ui/Icon';
import { lessonTone } from '../../ui/lessonTone';
import { Notice, StateTag, type Tone } from '../../ui/State';
import { tell } from '../../ui/toasts';

interface Props {
  visit: Visit;
  lesson: Lesson;
  joining: boolean;
}

/** The check before the lesson: picture, sound, network, what will happen, and one big button. */
export function Prejoin({ visit, lesson, joining }: Props) {
  const { t, i18n } = useTranslation();
  const devices = useStore(visit.preview.state);
  return (
    <main className="prejoin person">
      <header className="prejoin-head">
        <Link to="/" className="button button-plain button-normal" aria-label={t('app.back')}>
          <Icon name="left" />
        </Link>
        <div className="prejoin-title">
          <h1>{lesson.title}</h1>
          <p className="figures">
            {timeRange(lesson.starts_at, lesson.ends_at, i18n.language)}
            <span aria-hidden="true"> · </span>
            {lesson.teacher?.name ?? t('home.noTeacher')}
          </p>
        </div>
        <StateTag tone={lessonTone(lesson.state)}>{t(`lessonState.${lesson.state}`)}</StateTag>
      </header>
      <div className="prejoin-columns">
        <section className="prejoin-picture-part" aria-label={t('prejoin.picture')}>
          <Picture camera={devices.camera} />
          <DeviceButtons visit={visit} />
          <Trouble state={devices.camera} other={devices.microphone} />
        </section>
        <section className="prejoin-side" aria-label={t('prejoin.title')}>
          {lesson.my_role === 'learner' && lesson.face_checks === true && <OwnFace />}
          <DeviceMenus visit={visit} />
          <Network light={visit.network} />
          {lesson.my_role === 'learner' && <WhatWillHappen faces={lesson.face_checks === true} />}
          <Enter visit={visit} lesson={lesson} joining={joining} />
        </section>
      </div>
    </main>
  );
}

function Picture({ camera }: { camera: DeviceState<LocalVideoTrack> }) {
  const { t } = useTranslation();
  const video = useRef<HTMLVideoElement>(null);
  const track = camera.status === 'open' ? camera.track : undefined;
  useEffect(() => {
    const element = video.current;
    if (!track || !element) return;
    track.attach(element);
    return () => {
      track.detach(element);
    };
  }, [track]);
  return (
    <div className="prejoin-picture room">
      {track ? (
        <video ref={video} className="mirrored" muted playsInline autoPlay />
      ) : (
        <p className="prejoin-no-picture">
          <Icon name={camera.status === 'opening' ? 'camera' : 'cameraOff'} size={40} />
          {camera.status === 'opening' ? t('prejoin.cameraOpening') : t('prejoin.cameraOff')}
        </p>
      )}
    </div>
  );
}

function DeviceButtons({ visit }: { visit: Visit }) {
  const { t } = useTranslation();
  const { preview } = visit;
  const { camera, microphone } = useStore(preview.state);
  const cameraOpen = camera.status === 'open';
  const microphoneOpen = microphone.status === 'open';
  return (
    <div className="prejoin-toggles">
      <Button
        icon={microphoneOpen ? 'microphone' : 'microphoneOff'}
        aria-pressed={microphoneOpen}
        onClick={() => (microphoneOpen ? preview.closeMicrophone() : void preview.openMicrophone())}
      >
        {microphoneOpen ? t('prejoin.turnMicrophoneOff') : t('prejoin.turnMicrophoneOn')}
      </Button>
      <Button
        icon={cameraOpen ? 'camera' : 'cameraOff'}
        aria-pressed={cameraOpen}
        onClick={() => (cameraOpen ? preview.closeCamera() : void preview.openCamera())}
      >
        {cameraOpen ? t('prejoin.turnCameraOff') : t('prejoin.turnCameraOn')}
      </Button>
    </div>
  );
}

function Trouble(props: {
  state: DeviceState<LocalVideoTrack>;
  other: DeviceState<LocalAudioTrack>;
}) {
  const { t } = useTranslation();
  const failed = [props.state, props.other].find((each) => each.status === 'failed');
  if (failed?.status !== 'failed') return null;
  const texts: Record<DeviceTrouble, { title: string; hint: string }> = {
    insecure: { title: t('prejoin.insecureTitle'), hint: t('prejoin.insecureHint') },
    denied: { title: t('prejoin.deniedTitle'), hint: t('prejoin.deniedHint') },
    missing: { title: t('prejoin.missingTitle'), hint: t('prejoin.missingHint') },
    busy: { title: t('prejoin.busyTitle'), hint: t('prejoin.busyHint') },
  };
  const { title, hint } = texts[failed.trouble];
  return (
    <Notice tone="attention" title={title} role="status">
      {hint}
    </Notice>
  );
}

function DeviceMenus({ visit }: { visit: Visit }) {
  const { t } = useTranslation();
  const { preview } = visit;
  const { camera, microphone, cameras, microphones } = useStore(preview.state);
  const chosen = (state: DeviceState<LocalVideoTrack | LocalAudioTrack>) =>
    state.status === 'open' ? (state.track.mediaStreamTrack.getSettings().deviceId ?? '') : '';
  return (
    <>
      <div>
        {microphone.status === 'open' ? (
          <Level track={microphone.track} />
        ) : (
          <p className="hint">{t('prejoin.microphoneOff')}</p>
        )}
      </div>
      {microphones.length > 1 && (
        <SelectField
          label={t('prejoin.microphone')}
          value={chosen(microphone)}
          options={microphones.map(option)}
          onChange={(id) => void preview.openMicrophone(id)}
        />
      )}
      {cameras.length > 1 && (
        <SelectField
          label={t('prejoin.camera')}
          value={chosen(camera)}
          options={cameras.map(option)}
          onChange={(id) => void preview.openCamera(id)}
        />
      )}
    </>
  );
}

function option(device: MediaDeviceInfo, index: number) {
  const label = device.label === '' ? String(index + 1) : device.label;
  return { value: device.deviceId, label };
}

function Level({ track }: { track: LocalAudioTrack }) {
  const { t } = useTranslation();
  const bar = useRef<HTMLSpanElement>(null);
  useEffect(
    () =>
      watchLevel(track.mediaStreamTrack, (level) => {
        bar.current?.style.setProperty('transform', `scaleX(${level.toFixed(3)})`);
      }),
    [track],
  );
  return (
    <div className="level">
      <Icon name="microphone" />
      <div className="level-words">
        <span>{t('prejoin.level')}</span>
        <span className="level-bar" role="img" aria-label={t('prejoin.levelLabel')}>
          <span ref={bar} />
        </span>
      </div>
    </div>
  );
}

const LIGHT_TONE: Record<NetworkLight, Tone> = {
  measuring: 'waiting',
  good: 'ok',
  fair: 'attention',
  poor: 'attention',
  offline: 'refused',
};

function Network(props: { light: Visit['network'] }) {
  const { t } = useTranslation();
  const light = useStore(props.light);
  const texts: Record<NetworkLight, string> = {
    measuring: t('prejoin.networkMeasuring'),
    good: t('prejoin.networkGood'),
    fair: t('prejoin.networkFair'),
    poor: t('prejoin.networkPoor'),
    offline: t('prejoin.networkOffline'),
  };
  return (
    <div role="status">
      <StateTag tone={LIGHT_TONE[light]}>{texts[light]}</StateTag>
    </div>
  );
}

function WhatWillHappen({ faces }: { faces: boolean }) {
  const { t } = useTranslation();
  return (
    <div className="what">
      <h2>{t('prejoin.noticeTitle')}</h2>
      <ul>
        <li>{t('prejoin.noticeChecks')}</li>
        {faces && <li>{t('prejoin.noticeFaces')}</li>}
        {faces && <li>{t('prejoin.noticeNoCamera')}</li>}
        <li>{t('prejoin.noticeHours')}</li>
        <li>{t('prejoin.noticeRecorded')}</li>
      </ul>
    </div>
  );
}

/** Whoever is not known by the face is told before the lesson, with the way to change it. */
function OwnFace() {
  const { t } = useTranslation();
  const { data } = useOwnFace();
  if (!data || data.mode === 'evidence_only') return null;
  if (data.stage === 'approved' && !data.outdated) return null;
  if (data.stage === 'proposed') return <Notice tone="waiting">{t('prejoin.faceProposed')}</Notice>;
  return (
    <Notice
      tone="attention"
      title={t('prejoin.faceMissing')}
      action={
        <ButtonLink to="/face" data-testid="prejoin-face">
          {t('faceLink.action')}
        </ButtonLink>
      }
    >
      {t('prejoin.faceMissingHint')}
    </Notice>
  );
}

function Enter({ visit, lesson, joining }: Props) {
  const { t } = useTranslation();
  const { camera, microphone } = useStore(visit.preview.state);
  const problemText = useProblemText();
  const start = useMutation({
    mutationFn: async () => unwrap(await actOnLesson(lesson.id, 'start')),
    onSuccess: (started) => {
      queryClient.setQueryData(keys.lesson(lesson.id), started);
      return visit.enter();
    },
    onError: (error) => tell('refused', problemText(problemOf(error))),
  });
  if (lesson.state === 'ended' || lesson.state === 'cancelled') {
    return (
      <div className="enter">
        <Notice tone="neutral" title={t(`prejoin.${lesson.state}`)}>
          {lesson.my_role === 'learner' && t('prejoin.overHint')}
        </Notice>
        <ButtonLink to="/" size="large" wide>
          {t('app.toHome')}
        </ButtonLink>
      </div>
    );
  }
  const scheduled = lesson.state === 'scheduled';
  const starts = scheduled && lesson.my_role === 'teacher';
  const comesWithCamera = camera.status === 'open' || camera.status === 'opening';
  const enterText = comesWithCamera ? t('prejoin.join') : t('prejoin.joinWithoutCamera');
  const isOpening = camera.status === 'opening' || microphone.status === 'opening';
  const waitText = isOpening ? t('prejoin.openingDevices') : t('prejoin.joining');
  return (
    <div className="enter">
      {scheduled && !starts && (
        <Notice tone="waiting" role="status">
          {t('prejoin.waitTeacher')}
        </Notice>
      )}
      <Button
        look="primary"
        size="large"
        wide
        busy={joining || start.isPending}
        disabled={scheduled && !starts}
        data-testid={starts ? 'lesson-start' : 'prejoin-join'}
        onClick={() => (starts ? start.mutate() : void visit.enter())}
      >
        {joining ? waitText : starts ? t('prejoin.startClass') : enterText}
      </Button>
      <p className="visually-hidden" role="status">
        {joining && waitText}
      </p>
    </div>
  );
}
