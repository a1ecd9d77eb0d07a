import type { Lesson } from '../../api/types';
import type { Ending } from '../../call/callState';
import type { Visit } from '../../call/visit';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { useStore } from '../../lib/store';
import { wholeMinutes } from '../../lib/time';
import { Button, ButtonLink } from '../../ui/Button';
import { Icon, type IconName } from '../../ui/Icon';

const ICONS: Record<Ending['kind'], IconName> = {
  left: 'leave',
  ended: 'check',
  removed: 'removePerson',
  taken_over: 'screen',
  refused: 'alert',
};

interface Words {
  title: string;
  hint: string;
  again?: string;
}

function useWords(ending: Ending, lesson: Lesson): Words {
  const { t } = useTranslation();
  const problemText = useProblemText();
  switch (ending.kind) {
    case 'left':
      return { title: t('over.left'), hint: t('over.leftHint'), again: t('over.rejoin') };
    case 'ended':
      return {
        title: t('over.ended'),
        hint: lesson.my_role === 'learner' ? t('over.endedHint') : t('over.endedTeacher'),
      };
    case 'removed':
      return { title: t('over.removed'), hint: t('over.removedHint') };
    case 'taken_over':
      return { title: t('over.takenOver'), hint: t('over.takenOverHint'), again: t('over.here') };
    case 'refused':
      return {
        title: t('over.refused'),
        hint: problemText(ending.problem),
        again: t('app.retry'),
      };
  }
}

interface Props {
  ending: Ending;
  lesson: Lesson;
  visit: Visit;
  onAgain: () => void;
}

/** After the call: what happened, what it means, and one way on. */
export function Over({ ending, lesson, visit, onAgain }: Props) {
  const { t } = useTranslation();
  const words = useWords(ending, lesson);
  const credited = useStore(visit.credited);
  const attendance = lesson.my_attendance_id;
  return (
    <main className="over person" data-testid="call-over" data-ending={ending.kind}>
      <div className="over-box">
        <span className={`over-icon over-${ending.kind}`}>
          <Icon name={ICONS[ending.kind]} size={36} />
        </span>
        <h1>{words.title}</h1>
        <p className="over-lesson">{lesson.title}</p>
        <p>{words.hint}</p>
        {credited !== undefined && (
          <p className="over-credit figures">
            {t('record.creditedMinutes', { n: wholeMinutes(credited) })}
          </p>
        )}
        <div className="over-actions">
          {words.again !== undefined && (
            <Button look="primary" size="large" wide onClick={onAgain} data-testid="call-again">
              {words.again}
            </Button>
          )}
          {ending.kind === 'ended' && attendance && (
            <ButtonLink to={`/record?open=${attendance}`} look="primary" size="large" wide>
              {t('home.record')}
            </ButtonLink>
          )}
          <ButtonLink to="/" size="large" wide>
            {t('app.toHome')}
          </ButtonLink>
        </div>
      </div>
    </main>
  );
}
