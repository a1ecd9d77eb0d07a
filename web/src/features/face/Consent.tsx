import type { OwnFace } from '../../api/faces';
import { useTranslation } from '../../i18n/useText';
import { Button, ButtonLink } from '../../ui/Button';
import { Notice } from '../../ui/State';

/** The text of consent that this page shows; the server may be ahead of a page that is open. */
const SHOWN_VERSION = 1;

interface Props {
  face: OwnFace;
  agree: { mutate: () => void; isPending: boolean };
}

/** What is done with one's face, in plain words, and the decision about it. */
export function Consent({ face, agree }: Props) {
  const { t } = useTranslation();
  if (face.consent_version !== SHOWN_VERSION) {
    return (
      <Notice
        tone="attention"
        role="alert"
        action={
          <Button look="primary" onClick={() => window.location.reload()}>
            {t('app.reload')}
          </Button>
        }
      >
        {t('face.consentNewer')}
      </Notice>
    );
  }
  const points = [
    [t('face.whatTitle'), t('face.what')],
    [t('face.whyTitle'), t('face.why')],
    [t('face.whoTitle'), t('face.who')],
    [t('face.howLongTitle'), t('face.howLong')],
    [t('face.insteadTitle'), t('face.instead')],
    [t('face.honestTitle'), t('face.honest')],
  ];
  return (
    <section className="card face-card" data-testid="face-consent">
      {face.stage !== 'empty' && <Notice tone="attention">{t('face.consentRenewed')}</Notice>}
      <h2>{t('face.consentTitle')}</h2>
      <dl className="face-points">
        {points.map(([title, text]) => (
          <div key={title}>
            <dt>{title}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <p className="hint">{t('face.version', { n: SHOWN_VERSION })}</p>
      <div className="face-actions">
        <Button
          look="primary"
          size="large"
          wide
          busy={agree.isPending}
          data-testid="face-agree"
          onClick={agree.mutate}
        >
          {t('face.agree')}
        </Button>
        <ButtonLink to="/" size="large" wide>
          {t('face.disagree')}
        </ButtonLink>
      </div>
    </section>
  );
}
