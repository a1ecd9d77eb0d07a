import { Button, Skeleton, Table, type TableProps } from 'antd';
import { useEffect, useRef, type ReactNode } from 'react';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf } from '../../lib/result';
import { Notice } from '../../ui/State';
import { useFilters } from './useFilters';

export const PAGE_SIZE = 20;
const SKELETON_ROWS = 8;

/** How far the rows have come: what react-query says of them. */
interface Loading {
  isPending: boolean;
  isError: boolean;
  error: unknown;
  isPlaceholderData?: boolean;
  refetch: () => unknown;
}

interface Props<Row> extends Omit<TableProps<Row>, 'loading' | 'dataSource' | 'locale'> {
  rows: Row[];
  loading: Loading;
  empty: ReactNode;
}

/** A table that says when it loads, when it could not load, and how it gets filled. */
export function DeskTable<Row extends object>({ rows, loading, empty, ...table }: Props<Row>) {
  const box = useScrollByKeyboard();
  if (loading.isPending) return <TableSkeleton />;
  if (loading.isError && rows.length === 0) return <Failed loading={loading} />;
  return (
    <div ref={box}>
      {loading.isError && <Failed loading={loading} />}
      <Table<Row>
        size="middle"
        {...table}
        dataSource={rows}
        loading={loading.isPlaceholderData === true}
        locale={{ emptyText: empty }}
      />
    </div>
  );
}

/** antd lets nobody without a mouse reach the part of a table that scrolls. */
function useScrollByKeyboard() {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    box.current?.querySelector('.ant-table-content')?.setAttribute('tabindex', '0');
  });
  return box;
}

function TableSkeleton() {
  const { t } = useTranslation();
  return (
    <div className="desk-skeleton" role="status" aria-label={t('app.loading')}>
      {Array.from({ length: SKELETON_ROWS }, (_, row) => (
        <Skeleton.Input key={row} active block />
      ))}
    </div>
  );
}

function Failed({ loading }: { loading: Loading }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  return (
    <div className="desk-failed">
      <Notice
        tone="refused"
        role="alert"
        action={<Button onClick={() => void loading.refetch()}>{t('app.retry')}</Button>}
      >
        {problemText(problemOf(loading.error))}
      </Notice>
    </div>
  );
}

/** The page in the address, and the pager that turns it. */
export function usePages(total: number | undefined) {
  const { t } = useTranslation();
  const { get, set } = useFilters();
  const page = pageOf(get('page'));
  return {
    current: page,
    pageSize: PAGE_SIZE,
    total: total ?? 0,
    showSizeChanger: false,
    showTotal: (n: number) => t('desk.total', { n }),
    onChange: (next: number) => set({ page: String(next) }),
  };
}

/** A page from an address, which may hold anything. */
export function pageOf(text: string): number {
  const page = Number(text);
  return Number.isSafeInteger(page) && page > 0 ? page : 1;
}
