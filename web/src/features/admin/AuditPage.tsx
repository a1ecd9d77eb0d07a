import { useInfiniteQuery } from '@tanstack/react-query';
import { Button, Input, Select, Space } from 'antd';
import type { ColumnsType } from 'antd/es/table';
import { listAudit } from '../../api/calls';
import { keys } from '../../api/live';
import { ROLES, type AuditEntry, type Unit } from '../../api/types';
import type { Translate } from '../../i18n/texts';
import { useTranslation } from '../../i18n/useText';
import { success, unwrap } from '../../lib/result';
import { dateTimeExact } from '../../lib/time';
import { Empty } from '../../ui/State';
import { DeskTable } from './DeskTable';
import { exportCsv, type CsvColumn } from './exporting';
import { PageHead } from './PageHead';
import { useUnits } from './queries';
import { useFilters } from './useFilters';

const PAGE_SIZE = 100;

/** What the audit knows, in the order of the list of filters. */
const ACTIONS = [
  'signed_in',
  'sign_in_failed',
  'signed_out',
  'refresh_token_reused',
  'password_changed',
  'password_reset',
  'person_added',
  'person_changed',
  'account_disabled',
  'account_enabled',
  'role_granted',
  'role_revoked',
  'unit_added',
  'unit_changed',
  'hours_required',
  'hours_exported',
] as const;

/** Who did what and when; for administrators. */
export function AuditPage() {
  const { t, i18n } = useTranslation();
  const { get } = useFilters();
  const units = useUnits();
  const audit = useInfiniteQuery({
    queryKey: keys.audit,
    queryFn: async ({ pageParam }) => unwrap(await listAudit(pageParam, PAGE_SIZE)).items,
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (last) => (last.length === PAGE_SIZE ? last.at(-1)?.seq : undefined),
  });
  const loaded = audit.data?.pages.flat() ?? [];
  const words = wordsOf(t, i18n.language, units.data ?? []);
  const rows = loaded.filter(
    (entry) =>
      (get('action') === '' || entry.action === get('action')) &&
      `${words.actor(entry)} ${words.subject(entry)}`
        .toLowerCase()
        .includes(get('q').toLowerCase()),
  );
  const exportAll = () =>
    Promise.resolve(success(exportCsv(t('desk.audit'), csvColumns(t, words), rows)));
  return (
    <>
      <PageHead title={t('desk.audit')} onExport={exportAll}>
        <FilterBar shown={rows.length} loaded={loaded.length} />
      </PageHead>
      <DeskTable<AuditEntry>
        rowKey="seq"
        size="small"
        columns={columns(t, words)}
        rows={rows}
        loading={audit}
        pagination={false}
        scroll={{ x: 900 }}
        expandable={{
          expandedRowRender: (entry) => (
            <pre className="desk-raw">{JSON.stringify(entry.detail, undefined, 2)}</pre>
          ),
        }}
        empty={
          loaded.length === 0 ? (
            <Empty icon="book" title={t('audit.empty')} hint={t('audit.emptyHint')} />
          ) : (
            <Empty icon="book" title={t('audit.noMatch')} hint={t('audit.noMatchHint')} />
          )
        }
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

function FilterBar({ shown, loaded }: { shown: number; loaded: number }) {
  const { t } = useTranslation();
  const { get, set } = useFilters();
  return (
    <Space wrap>
      <Input.Search
        key={get('q')}
        allowClear
        className="desk-search"
        aria-label={t('desk.search')}
        placeholder={t('audit.searchHint')}
        defaultValue={get('q')}
        onSearch={(q) => set({ q })}
      />
      <Select
        allowClear
        className="desk-action"
        aria-label={t('audit.action')}
        placeholder={t('audit.action')}
        value={get('action') || undefined}
        options={ACTIONS.map((action) => ({ value: action, label: t(`auditAction.${action}`) }))}
        onChange={(action: string | undefined) => set({ action })}
      />
      <span className="hint" role="status">
        {t('audit.shownOf', { n: shown, of: loaded })}
      </span>
    </Space>
  );
}

/** An entry in words; ids become names where they are known. */
interface Words {
  at: (entry: AuditEntry) => string;
  actor: (entry: AuditEntry) => string;
  action: (entry: AuditEntry) => string;
  subject: (entry: AuditEntry) => string;
  detail: (entry: AuditEntry) => string;
}

function wordsOf(t: Translate, language: string, units: Unit[]): Words {
  const unitNames = new Map(units.map((unit) => [unit.id, unit.name]));
  return {
    at: (entry) => dateTimeExact(entry.at, language),
    actor: ({ actor }) => {
      if (actor === null) return t('audit.system');
      return typeof actor === 'string' ? actor : (actor.name ?? actor.account_id ?? '');
    },
    action: ({ action }) => {
      const known = ACTIONS.find((each) => each === action);
      return known ? t(`auditAction.${known}`) : action;
    },
    subject: (entry) => entry.subject ?? '',
    detail: ({ detail }) => {
      const role = ROLES.find((each) => each === fieldOf(detail, 'role'));
      // A new unit is the entry's subject itself; what is worth telling is where it hangs.
      const unit = fieldOf(detail, 'parent') ?? fieldOf(detail, 'unit') ?? '';
      const parts = [role && t(`role.${role}`), unitNames.get(unit)];
      return parts.filter((part) => part !== undefined).join(' · ');
    },
  };
}

function fieldOf(detail: unknown, name: string): string | undefined {
  if (typeof detail !== 'object' || detail === null) return undefined;
  const value: unknown = Reflect.get(detail, name);
  return typeof value === 'string' ? value : undefined;
}

function columns(t: Translate, words: Words): ColumnsType<AuditEntry> {
  return [
    { title: t('audit.seq'), dataIndex: 'seq', width: 80, align: 'right' },
    { title: t('audit.at'), key: 'at', width: 190, render: (_, entry) => words.at(entry) },
    { title: t('audit.actor'), key: 'actor', width: 160, render: (_, entry) => words.actor(entry) },
    {
      title: t('audit.action'),
      key: 'action',
      width: 180,
      render: (_, entry) => words.action(entry),
    },
    { title: t('audit.subject'), key: 'subject', render: (_, entry) => words.subject(entry) },
    { title: t('audit.detail'), key: 'detail', render: (_, entry) => words.detail(entry) },
  ];
}

function csvColumns(t: Translate, words: Words): CsvColumn<AuditEntry>[] {
  return [
    { title: t('audit.seq'), value: (entry) => entry.seq },
    { title: t('audit.at'), value: (entry) => entry.at },
    { title: t('audit.actor'), value: words.actor },
    { title: t('audit.action'), value: words.action },
    { title: t('audit.subject'), value: words.subject },
    { title: t('audit.detail'), value: (entry) => JSON.stringify(entry.detail) },
  ];
}
