import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { exemptLearner } from '../../api/faces';
import { keys, queryClient } from '../../api/live';
import type { BoardRow, Lesson } from '../../api/types';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, unwrap } from '../../lib/result';
import { Confirm } from '../../ui/Dialog';
import { Icon } from '../../ui/Icon';
import { tell } from '../../ui/toasts';

/** Puts a learner on the route without a camera for this lesson, after a confirmation. */
export function Exempt({ lesson, row }: { lesson: Lesson; row: BoardRow }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const [asking, setAsking] = useState(false);
  const { name, attendance_id: attendance } = row;
  const exempt = useMutation({
    mutationFn: async (id: string) => unwrap(await exemptLearner(id)),
    onSuccess: () => {
      tell('ok', t('board.exempted', { name }));
      void queryClient.invalidateQueries({ queryKey: keys.board(lesson.id) });
    },
    onError: (error) => tell('refused', problemText(problemOf(error))),
    onSettled: () => setAsking(false),
  });
  if (!attendance || row.faces !== true) return null;
  const text = `${t('board.exempt')}: ${name}`;
  return (
    <>
      <button
        type="button"
        className="board-ask"
        aria-label={text}
        title={text}
        data-testid="board-exempt"
        onClick={() => setAsking(true)}
      >
        <Icon name="cameraOff" size={18} />
      </button>
      {asking && (
        <Confirm
          title={t('board.exemptTitle', { name })}
          text={t('board.exemptText')}
          confirm={t('board.exempt')}
          busy={exempt.isPending}
          onConfirm={() => exempt.mutate(attendance)}
          onClose={() => setAsking(false)}
        />
      )}
    </>
  );
}
