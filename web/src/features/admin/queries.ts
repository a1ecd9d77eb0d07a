import { useMutation, useQuery, type QueryKey } from '@tanstack/react-query';
import { App } from 'antd';
import { listPeople, listUnits, type PeopleFilter } from '../../api/calls';
import { keys, queryClient } from '../../api/live';
import type { Unit } from '../../api/types';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, unwrap, type Result } from '../../lib/result';

export function useUnits() {
  return useQuery({
    queryKey: keys.units,
    queryFn: async () => unwrap(await listUnits()).items,
    staleTime: 60_000,
  });
}

export function usePeople(filter: PeopleFilter, enabled = true) {
  return useQuery({
    queryKey: [...keys.people, filter],
    queryFn: async () => unwrap(await listPeople(filter)),
    placeholderData: (before) => before,
    enabled,
  });
}

/**
 * A change on the server: says that it is done and refreshes what depends on it. A refusal is told
 * in passing, or stays in the form that shows it (`inForm`).
 */
export function useChange<Input, Output>(
  change: (input: Input) => Promise<Result<Output>>,
  refreshes: QueryKey,
  options: { done?: string; onDone?: (output: Output) => void; inForm?: boolean } = {},
) {
  const { t } = useTranslation();
  const { message } = App.useApp();
  const problemText = useProblemText();
  return useMutation({
    mutationFn: async (input: Input) => unwrap(await change(input)),
    onSuccess: (output) => {
      void queryClient.invalidateQueries({ queryKey: refreshes });
      void message.success(options.done ?? t('desk.saved'));
      options.onDone?.(output);
    },
    onError: (error) => {
      if (options.inForm !== true) void message.error(problemText(problemOf(error)));
    },
  });
}

export interface UnitNode {
  key: string;
  value: string;
  title: string;
  children: UnitNode[];
}

/** Units as a tree. One whose parent may not be seen becomes a root. */
export function unitTree(units: Unit[]): UnitNode[] {
  const nodes = new Map(
    units.map((unit): [string, UnitNode] => [
      unit.id,
      { key: unit.id, value: unit.id, title: unit.name, children: [] },
    ]),
  );
  const roots: UnitNode[] = [];
  for (const unit of units) {
    const node = nodes.get(unit.id);
    if (!node) continue;
    const parent = unit.parent_id === null ? undefined : nodes.get(unit.parent_id);
    (parent?.children ?? roots).push(node);
  }
  return roots;
}
