import { useInfiniteQuery } from '@tanstack/react-query';
import { Button, Table } from 'antd';
import type { ColumnsType } from 'antd/es/table';
import { listAudit } from '../../api/calls';
import { keys } from '../../api/live';
import type { AuditEntry } from '../../api/types';
import { useTranslation } from '../../i18n/useText';
import { downloadCsv } from '../../lib/csv';
import { unwrap } from '../../lib/result';
import { clockTimeExact, dateTime } from '../../lib/time';
import { Empty } from '../../ui/State';
import { PageHead } from './PageHead';

const PAGE_SIZE = 50;

function actorText(actor: AuditEntry['actor'], system: string): string {
  if (actor === null) return system;
  return typeof actor === 'string' ? actor : (actor.name ?? actor.account_id ?? system);
}

function detailText(detail: unknown): string {
  if (detail === null || detail === undefined) return '';
  return typeof detail === 'string' ? detail : JSON.stringify(detail);
}

/** Who did what and when; for administrators. */
export function AuditPage() {
  const { t, i18n } = useTranslation();
  const audit = useInfiniteQuery({
    queryKey: keys.audit,
    queryFn: async ({ pageParam }) => unwrap(await listAudit(pageParam, PAGE_SIZE)).items,
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (last) => (last.length === PAGE_SIZE ? last.at(-1)?.seq : undefined),
  });
  const rows = audit.data?.pages.flat() ?? [];
  const actor = (entry: AuditEntry) => actorText(entry.actor, t('audit.system'));
  const columns: ColumnsType<AuditEntry> = [
    { title: t('audit.seq'), dataIndex: 'seq', width: 90, align: 'right' },
    {
      title: t('audit.at'),
      dataIndex: 'at',
      width: 200,
      render: (at: string) =>
        `${dateTime(at, i18n.language).slice(0, -5)}${clockTimeExact(at, i18n.language)}`,
    },
    { title: t('audit.actor'), key: 'actor', width: 160, render: (_, entry) => actor(entry) },
    { title: t('audit.action'), dataIndex: 'action', width: 200 },
    { title: t('audit.subject'), dataIndex: 'subject', width: 240, ellipsis: true },
    {
      title: t('audit.detail'),
      dataIndex: 'detail',
      ellipsis: true,
      render: (detail: unknown) => <code>{detailText(detail)}</code>,
    },
  ];
  const exportAll = () =>
    downloadCsv(
      t('desk.audit'),
      [
        t('audit.seq'),
        t('audit.at'),
        t('audit.actor'),
        t('audit.action'),
        t('audit.subject'),
        t('audit.detail'),
      ],
      rows.map((entry) => [
        entry.seq,
        entry.at,
        actor(entry),
        entry.action,
        entry.subject ?? '',
        detailText(entry.detail),
      ]),
    );
  return (
    <>
      <PageHead title={t('desk.audit')} onExport={exportAll} />
      <Table<AuditEntry>
        rowKey="seq"
        size="small"
        columns={columns}
        dataSource={rows}
        loading={audit.isPending}
        pagination={false}
        scroll={{ x: 1000 }}
        locale={{
          emptyText: <Empty icon="book" title={t('audit.empty')} hint={t('audit.emptyHint')} />,
        }}
      />
      {audit.hasNextPage && (
        <Button
          className="desk-older"
          loading={audit.isFetchingNextPage}
          onClick={() => void audit.fetchNextPage()}
        >
          {t('audit.older')}
        </Button>
      )}
    </>
  );
}
