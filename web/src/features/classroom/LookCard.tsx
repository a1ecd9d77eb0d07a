import { useLocalParticipant } from '@livekit/components-react';
import { LocalVideoTrack } from 'livekit-client';
import { useEffect, useState, type ReactNode } from 'react';
import { startAlarm } from '../../call/alarm';
import type { LookGuide } from '../../call/look';
import type { Prompts, PromptView } from '../../call/prompts';
import { useSaidText, useTranslation } from '../../i18n/useText';
import { Button } from '../../ui/Button';
import { FaceGuide } from '../../ui/FaceGuide';
import { Icon } from '../../ui/Icon';
import { Notice } from '../../ui/State';
import '../../ui/face.css';

type AskingView = Extract<PromptView, { phase: 'asking' }>;

interface Props {
  id: string;
  view: AskingView;
  prompts: Prompts;
  countdown: ReactNode;
  onCamera: () => void;
}

/** What the server asks before the camera. Nothing is to be pressed: the server sees the answer. */
export function LookCard({ id, view, prompts, countdown, onCamera }: Props) {
  const { t } = useTranslation();
  const [declining, setDeclining] = useState<Declining>('no');
  useEffect(() => startAlarm(`${t('prompt.flash')} · ${t('look.title')}`), [t]);
  const gesture = view.prompt.gesture ?? undefined;
  const { stage } = view.guide;
  return (
    <div className="look" data-testid="look" data-stage={stage} data-gesture={gesture}>
      <div className="look-picture">
        <Mirror gesture={stage === 'act' ? gesture : undefined} onCamera={onCamera} />
        <div className="look-ring">{countdown}</div>
      </div>
      {declining === 'no' ? (
        <>
          <Words id={id} view={view} />
          <Button look="plain" data-testid="look-cannot" onClick={() => setDeclining('told')}>
            {t('look.cannot')}
          </Button>
        </>
      ) : (
        <WithoutCamera
          id={id}
          step={declining}
          busy={view.step === 'sending'}
          failed={view.problem !== undefined}
          onStep={setDeclining}
          onRefuse={() => void prompts.refuse()}
        />
      )}
    </div>
  );
}

function Mirror(props: { gesture: AskingView['prompt']['gesture']; onCamera: () => void }) {
  const { t } = useTranslation();
  const { cameraTrack, isCameraEnabled } = useLocalParticipant();
  const track = cameraTrack?.track;
  const shown = isCameraEnabled && track instanceof LocalVideoTrack ? track : undefined;
  return (
    <FaceGuide track={shown} label={t('prejoin.picture')} gesture={props.gesture ?? undefined}>
      <Icon name="cameraOff" size={40} />
      <p>{t('look.cameraOff')}</p>
      <Button look="primary" icon="camera" data-testid="look-camera" onClick={props.onCamera}>
        {t('banner.cameraOn')}
      </Button>
    </FaceGuide>
  );
}

const STEPS: Record<LookGuide['stage'], number> = { face: 1, act: 2, face_again: 3 };

function Words({ id, view }: { id: string; view: AskingView }) {
  const { t } = useTranslation();
  const saidText = useSaidText();
  const { guide, prompt } = view;
  const gesture = prompt.gesture ?? undefined;
  const title =
    gesture === undefined
      ? t('look.title')
      : {
          face: t('look.straight'),
          act: t(`look.${gesture}`),
          face_again: t('look.straightAgain'),
        }[guide.stage];
  return (
    <>
      {gesture && <p className="look-step">{t('look.step', { n: STEPS[guide.stage] })}</p>}
      <h2 id={id}>{title}</h2>
      {view.step === 'deciding' ? (
        <Notice tone="waiting">{t('look.deciding')}</Notice>
      ) : guide.message ? (
        <Notice tone="attention">{saidText(guide.message)}</Notice>
      ) : view.again && guide.stage === 'face' ? (
        <Notice tone="attention">{t('look.again')}</Notice>
      ) : (
        <p className="prompt-lead">
          {gesture && guide.stage === 'face'
            ? t('look.next', { what: t(`look.${gesture}`) })
            : t('look.text')}
        </p>
      )}
    </>
  );
}

/** How far somebody is who wants to go without the camera. */
type Declining = 'no' | 'told' | 'sure';

function WithoutCamera(props: {
  id: string;
  step: Exclude<Declining, 'no'>;
  busy: boolean;
  failed: boolean;
  onStep: (step: Declining) => void;
  onRefuse: () => void;
}) {
  const { t } = useTranslation();
  const isSure = props.step === 'sure';
  return (
    <div className="look-without" data-testid="look-without">
      <h2 id={props.id}>{isSure ? t('look.refuseTitle') : t('look.cannotTitle')}</h2>
      <p className="prompt-lead">{isSure ? t('look.refuseText') : t('look.cannotText')}</p>
      {props.failed && (
        <Notice tone="refused" role="alert">
          {t('look.notSent')}
        </Notice>
      )}
      {!isSure && <AskForHelp />}
      <Button
        size="large"
        wide
        look={isSure ? 'quiet' : 'primary'}
        onClick={() => props.onStep('no')}
      >
        {t('look.goOn')}
      </Button>
      {isSure ? (
        <Button
          look="danger"
          size="large"
          wide
          busy={props.busy}
          data-testid="look-refuse-yes"
          onClick={props.onRefuse}
        >
          {t('look.refuseYes')}
        </Button>
      ) : (
        <Button look="plain" data-testid="look-refuse" onClick={() => props.onStep('sure')}>
          {t('look.refuse')}
        </Button>
      )}
    </div>
  );
}

/** The teacher sees a raised hand at once; that is the shortest way to a person. */
function AskForHelp() {
  const { t } = useTranslation();
  const { localParticipant } = useLocalParticipant();
  const [raised, setRaised] = useState(localParticipant.attributes['hand'] === '1');
  const raise = () => {
    localParticipant.setAttributes({ hand: '1' }).then(
      () => setRaised(true),
      () => undefined,
    );
  };
  return (
    <Button icon="hand" size="large" wide disabled={raised} onClick={raise}>
      {raised ? t('look.handRaised') : t('look.raiseHand')}
    </Button>
  );
}
