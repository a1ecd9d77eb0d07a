import { App, Button } from 'antd';
import type { QueryKey } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { queryClient } from '../../api/live';
import { useProblemText, useTranslation } from '../../i18n/useText';
import type { Problem, Result } from '../../lib/result';

/** What to do with the rows that are ticked, in the place of the filters' quiet. */
export function BulkBar(props: { count: number; onClear: () => void; children: ReactNode }) {
  const { t } = useTranslation();
  if (props.count === 0) return null;
  return (
    <div className="desk-bulk" role="toolbar" aria-label={t('desk.bulk')} data-testid="bulk">
      <span role="status">{t('desk.chosen', { n: props.count })}</span>
      {props.children}
      <Button type="text" size="small" onClick={props.onClear}>
        {t('desk.clear')}
      </Button>
    </div>
  );
}

export interface Bulk<Item> {
  /** How many are done while it runs. */
  progress: { done: number; of: number } | undefined;
  run: (
    items: Item[],
    act: (item: Item) => Promise<Result<unknown>>,
    undo?: (item: Item) => Promise<Result<unknown>>,
  ) => Promise<void>;
}

/**
 * Does the same to many, one after the other, and tells at the end how many went well and why the
 * first of the others did not. What went well can be taken back, where there is a way.
 */
export function useBulk<Item>(refreshes: QueryKey): Bulk<Item> {
  const { t } = useTranslation();
  const { message } = App.useApp();
  const problemText = useProblemText();
  const [progress, setProgress] = useState<Bulk<Item>['progress']>();
  const run: Bulk<Item>['run'] = async (items, act, undo) => {
    const done: Item[] = [];
    const problems: Problem[] = [];
    for (const [index, item] of items.entries()) {
      setProgress({ done: index, of: items.length });
      const result = await act(item);
      if (result.ok) done.push(item);
      else problems.push(result.error);
    }
    setProgress(undefined);
    await queryClient.invalidateQueries({ queryKey: refreshes });
    const [first] = problems;
    if (first) {
      const counts = { done: done.length, left: problems.length, why: problemText(first) };
      void message.warning(t('desk.bulkPartly', counts));
      return;
    }
    void message.success({
      duration: UNDO_SECONDS,
      content: (
        <>
          {t('desk.bulkDone', { n: done.length })}
          {undo && (
            <Button
              type="link"
              size="small"
              data-testid="undo"
              onClick={() => {
                message.destroy();
                void run(done, undo);
              }}
            >
              {t('desk.undo')}
            </Button>
          )}
        </>
      ),
    });
  };
  return { progress, run };
}

/** How long taking back is offered. */
const UNDO_SECONDS = 8;
