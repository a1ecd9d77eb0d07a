import { useMutation } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { consentToFace, withdrawFace, type OwnFace } from '../../api/faces';
import { keys, queryClient } from '../../api/live';
import { useOwnFace } from '../../api/ownFace';
import { createCapture, type Capture } from '../../call/capture';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, unwrap } from '../../lib/result';
import { useStore } from '../../lib/store';
import { dateTime } from '../../lib/time';
import { Button, ButtonLink } from '../../ui/Button';
import { Confirm } from '../../ui/Dialog';
import { Icon } from '../../ui/Icon';
import { Empty, Notice, Skeleton, StateTag, type Tone } from '../../ui/State';
import { tell } from '../../ui/toasts';
import { Consent } from './Consent';
import { Taking } from './Taking';
import './facePage.css';

/** One's own face: agreeing, having pictures taken, waiting, and taking it all back. */
export default function FacePage() {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const [capture] = useState(createCapture);
  const state = useStore(capture.state);
  const isTaking = state.status === 'opening' || state.status === 'looking';
  const face = useOwnFace();
  useEffect(() => capture.stop, [capture]);
  useEffect(() => {
    document.title = `${t('face.title')} · ${t('app.name')}`;
  }, [t]);
  if (face.isPending) {
    return (
      <div className="page person">
        <Skeleton lines={5} label={t('app.loading')} />
      </div>
    );
  }
  if (!face.data) {
    return (
      <div className="page person">
        <Notice
          tone="refused"
          role="alert"
          action={<Button onClick={() => void face.refetch()}>{t('app.retry')}</Button>}
        >
          {problemText(problemOf(face.error))}
        </Notice>
      </div>
    );
  }
  return (
    <div className="page person face-page" data-testid="face-page" data-stage={face.data.stage}>
      <Head face={face.data} />
      <Body face={face.data} capture={capture} />
      {!isTaking && (face.data.consented_at || face.data.stage !== 'empty') && (
        <Withdraw face={face.data} />
      )}
    </div>
  );
}

function Head({ face }: { face: OwnFace }) {
  const { t } = useTranslation();
  const [tone, text]: [Tone, string] = face.outdated
    ? ['attention', t('face.stateOutdated')]
    : {
        empty: ['neutral', t('face.stateEmpty')] as [Tone, string],
        proposed: ['waiting', t('face.stateProposed')] as [Tone, string],
        approved: ['ok', t('face.stateApproved')] as [Tone, string],
      }[face.stage];
  return (
    <header className="face-head">
      <div>
        <h1>{t('face.title')}</h1>
        <p className="hint">{t('face.lead')}</p>
      </div>
      <StateTag tone={tone}>{text}</StateTag>
    </header>
  );
}

function Body({ face, capture }: { face: OwnFace; capture: Capture }) {
  const { t } = useTranslation();
  const state = useStore(capture.state);
  const isTaking = state.status === 'opening' || state.status === 'looking';
  const agree = useAgree(face, capture);
  if (face.mode === 'evidence_only') {
    return (
      <section className="card">
        <Empty icon="face" title={t('face.evidenceTitle')} hint={t('face.evidenceText')} />
      </section>
    );
  }
  if (isTaking || state.status === 'failed') return <Taking capture={capture} />;
  if (!face.consented_at) return <Consent face={face} agree={agree} />;
  if (face.stage === 'empty') return <Ready face={face} capture={capture} />;
  return <Known face={face} capture={capture} />;
}

function useAgree(face: OwnFace, capture: Capture) {
  const problemText = useProblemText();
  return useMutation({
    mutationFn: async () => unwrap(await consentToFace(face.consent_version)),
    onSuccess: (next) => {
      queryClient.setQueryData(keys.ownFace, next);
      // Whoever agreed meant to begin; the pictures follow at once.
      if (next.stage === 'empty') void capture.start();
    },
    onError: (error) => tell('refused', problemText(problemOf(error))),
  });
}

/** Agreed, and no pictures yet. */
function Ready({ face, capture }: { face: OwnFace; capture: Capture }) {
  const { t } = useTranslation();
  return (
    <section className="card face-card">
      {face.refused && (
        <Notice tone="attention" title={t('face.refusedTitle')} role="status">
          {t('face.refusedReason', { reason: face.refused })}
        </Notice>
      )}
      <h2>{t('face.takeTitle')}</h2>
      <p>{t('face.takeLead')}</p>
      <div className="face-actions">
        <Button
          look="primary"
          size="large"
          wide
          icon="camera"
          data-testid="face-take"
          onClick={() => void capture.start()}
        >
          {t('face.take')}
        </Button>
      </div>
    </section>
  );
}

/** Pictures wait, or the person is known. */
function Known({ face, capture }: { face: OwnFace; capture: Capture }) {
  const { t, i18n } = useTranslation();
  const isWaiting = face.stage === 'proposed';
  const time = face.since ? dateTime(face.since, i18n.language) : '';
  const words = face.outdated
    ? { title: t('face.outdatedTitle'), text: t('face.outdatedText') }
    : isWaiting
      ? { title: t('face.waitingTitle'), text: t('face.waitingText') }
      : { title: t('face.approvedTitle'), text: t('face.approvedText') };
  const tone = face.outdated ? 'attention' : isWaiting ? 'waiting' : 'ok';
  return (
    <section className="card face-card face-known" role="status">
      <span className={`face-mark face-mark-${tone}`}>
        <Icon name={tone === 'ok' ? 'check' : tone === 'waiting' ? 'clock' : 'alert'} size={40} />
      </span>
      <h2>{words.title}</h2>
      <p>{words.text}</p>
      <p className="hint figures">
        {isWaiting ? t('face.waitingSince', { time }) : t('face.approvedSince', { time })}
      </p>
      <div className="face-actions">
        {!face.outdated && (
          <ButtonLink to="/" look="primary" size="large" wide>
            {t('app.toHome')}
          </ButtonLink>
        )}
        <Button
          size="large"
          wide
          look={face.outdated ? 'primary' : 'quiet'}
          data-testid="face-retake"
          onClick={() => void capture.start()}
        >
          {t('face.retake')}
        </Button>
      </div>
    </section>
  );
}

function Withdraw({ face }: { face: OwnFace }) {
  const { t, i18n } = useTranslation();
  const problemText = useProblemText();
  const [asking, setAsking] = useState(false);
  const withdraw = useMutation({
    mutationFn: async () => unwrap(await withdrawFace()),
    onSuccess: (next) => {
      queryClient.setQueryData(keys.ownFace, next);
      tell('ok', t('face.withdrawn'));
    },
    onError: (error) => tell('refused', problemText(problemOf(error))),
    onSettled: () => setAsking(false),
  });
  return (
    <footer className="face-foot">
      {face.consented_at && (
        <span className="hint figures">
          {t('face.consentedAt', { time: dateTime(face.consented_at, i18n.language) })}
        </span>
      )}
      <Button look="plain" data-testid="face-withdraw" onClick={() => setAsking(true)}>
        {t('face.withdraw')}
      </Button>
      {asking && (
        <Confirm
          title={t('face.withdrawTitle')}
          text={t('face.withdrawText')}
          confirm={t('face.withdrawYes')}
          danger
          busy={withdraw.isPending}
          onConfirm={() => withdraw.mutate()}
          onClose={() => setAsking(false)}
        />
      )}
    </footer>
  );
}
