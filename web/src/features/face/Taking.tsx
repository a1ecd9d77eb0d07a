import type { Capture } from '../../call/capture';
import type { CaptureState, CaptureTrouble } from '../../call/captureState';
import { useProblemText, useSaidText, useTranslation } from '../../i18n/useText';
import { useStore } from '../../lib/store';
import { Button } from '../../ui/Button';
import { FaceGuide } from '../../ui/FaceGuide';
import { Icon } from '../../ui/Icon';
import { Notice } from '../../ui/State';
import '../../ui/face.css';

/** The own picture with what to do, while the server takes what it needs. */
export function Taking({ capture }: { capture: Capture }) {
  const { t } = useTranslation();
  const state = useStore(capture.state);
  const track = useStore(capture.track);
  if (state.status === 'failed') return <Failed trouble={state.trouble} capture={capture} />;
  return (
    <section className="card face-card" data-testid="face-taking" data-status={state.status}>
      <h2>{t('face.takeTitle')}</h2>
      <FaceGuide track={track} label={t('face.picture')}>
        <Icon name="camera" size={40} />
        <p>{t('face.opening')}</p>
      </FaceGuide>
      <div className="face-told" aria-live="polite">
        <Told state={state} />
      </div>
      <Dots state={state} />
      <div className="face-actions">
        <Button size="large" wide data-testid="face-stop" onClick={capture.stop}>
          {t('face.stop')}
        </Button>
      </div>
    </section>
  );
}

function Told({ state }: { state: CaptureState }) {
  const { t } = useTranslation();
  const saidText = useSaidText();
  if (state.status === 'looking' && state.message) {
    return <Notice tone="attention">{saidText(state.message)}</Notice>;
  }
  return <Notice tone="neutral">{t('face.keepStill')}</Notice>;
}

function Dots({ state }: { state: CaptureState }) {
  const { t } = useTranslation();
  if (state.status !== 'looking') return null;
  const { good, wanted } = state;
  return (
    <div
      className="face-dots"
      role="progressbar"
      aria-label={t('face.progress', { good, wanted })}
      aria-valuemin={0}
      aria-valuemax={wanted}
      aria-valuenow={good}
      data-testid="face-dots"
      data-good={good}
    >
      {Array.from({ length: wanted }, (_, index) => (
        <span key={index} className={index < good ? 'face-dot face-dot-good' : 'face-dot'}>
          {index < good && <Icon name="check" size={18} />}
        </span>
      ))}
    </div>
  );
}

function Failed({ trouble, capture }: { trouble: CaptureTrouble; capture: Capture }) {
  const { t } = useTranslation();
  const words = useTroubleWords(trouble);
  return (
    <section className="card face-card" data-testid="face-failed" data-trouble={trouble.kind}>
      <Notice tone="attention" role="alert" title={words.title}>
        {words.text}
      </Notice>
      <p>{t('face.takeLead')}</p>
      <div className="face-actions">
        <Button
          look="primary"
          size="large"
          wide
          icon="camera"
          data-testid="face-again"
          onClick={() => void capture.start()}
        >
          {t('face.takeAgain')}
        </Button>
      </div>
    </section>
  );
}

function useTroubleWords(trouble: CaptureTrouble): { title?: string; text: string } {
  const { t } = useTranslation();
  const problemText = useProblemText();
  switch (trouble.kind) {
    case 'problem':
      return { text: problemText(trouble.problem) };
    case 'progress':
      return {
        text: {
          too_few: t('face.tooFew'),
          not_one_person: t('face.notOnePerson'),
          no_camera: t('face.noCamera'),
          failed: t('face.failed'),
        }[trouble.progress],
      };
    case 'device':
      return {
        title: t('face.trouble'),
        text: {
          insecure: t('prejoin.insecureHint'),
          denied: t('prejoin.deniedHint'),
          missing: t('prejoin.missingHint'),
          busy: t('prejoin.busyHint'),
        }[trouble.trouble],
      };
  }
}
