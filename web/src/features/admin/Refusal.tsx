import { useProblemText } from '../../i18n/useText';
import { problemOf } from '../../lib/result';
import { Notice } from '../../ui/State';

/** Why a form was not taken; stays until it is sent again. */
export function Refusal({ error }: { error: unknown }) {
  const problemText = useProblemText();
  if (error === null) return null;
  return (
    <div className="desk-refusal">
      <Notice tone="refused" role="alert">
        {problemText(problemOf(error))}
      </Notice>
    </div>
  );
}
