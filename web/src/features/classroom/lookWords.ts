import type { Translate } from '../../i18n/texts';

interface Words {
  title: string;
  text: string;
}

/** How the outcome of a look is told; nothing for those of every check. */
export function lookWords(t: Translate, outcome: string): Words | undefined {
  const failed = (title: string, text: string): Words => ({
    title,
    text: `${text}\n${t('lookOutcome.withheld')}`,
  });
  switch (outcome) {
    case 'passed':
      return { title: t('lookOutcome.passed'), text: t('outcome.passedText') };
    case 'passed_low_assurance':
      return { title: t('lookOutcome.low'), text: t('lookOutcome.lowText') };
    case 'failed_mismatch':
      return failed(t('lookOutcome.mismatch'), t('lookOutcome.mismatchText'));
    case 'failed_no_face':
      return failed(t('lookOutcome.noFace'), t('lookOutcome.noFaceText'));
    case 'failed_many_faces':
      return failed(t('lookOutcome.manyFaces'), t('lookOutcome.manyFacesText'));
    case 'failed_liveness':
      return failed(t('lookOutcome.liveness'), t('lookOutcome.livenessText'));
    case 'failed_covered':
      return failed(t('lookOutcome.covered'), t('lookOutcome.coveredText'));
    case 'refused':
      return failed(t('lookOutcome.refused'), t('lookOutcome.refusedText'));
    case 'exempt':
      return { title: t('lookOutcome.exempt'), text: t('lookOutcome.exemptText') };
    case 'void':
      return { title: t('lookOutcome.void'), text: t('lookOutcome.voidText') };
    default:
      return undefined;
  }
}
