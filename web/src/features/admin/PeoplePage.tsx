import { Dropdown, Input, Select, Space, Table, Tag, TreeSelect, App, Button } from 'antd';
import { EllipsisOutlined } from '@ant-design/icons';
import type { ColumnsType } from 'antd/es/table';
import { useState } from 'react';
import { editPerson } from '../../api/calls';
import { keys } from '../../api/live';
import { ROLES, type Person } from '../../api/types';
import { useTranslation } from '../../i18n/useText';
import { downloadCsv } from '../../lib/csv';
import { Empty, StateTag } from '../../ui/State';
import { PageHead } from './PageHead';
import { PersonDrawer } from './PersonDrawer';
import { ResetPassword } from './ResetPassword';
import { unitTree, useChange, usePeople, useUnits } from './queries';
import { useFilters } from './useFilters';

const PAGE_SIZE = 20;

type Opened = { what: 'new' } | { what: 'edit' | 'password'; id: string } | undefined;

export function PeoplePage() {
  const { t } = useTranslation();
  const [get, set] = useFilters();
  const [opened, setOpened] = useState<Opened>();
  const page = Number(get('page') || '1');
  const people = usePeople({
    unit_id: get('unit'),
    q: get('q'),
    role: get('role'),
    page,
    page_size: PAGE_SIZE,
  });
  const rows = people.data?.items ?? [];
  const columns = useColumns(setOpened);
  const chosen =
    opened && opened.what !== 'new' ? rows.find((person) => person.id === opened.id) : undefined;
  return (
    <>
      <PageHead
        title={t('desk.people')}
        onExport={() => exportPeople(rows, t)}
        create={{
          text: t('persons.create'),
          onClick: () => setOpened({ what: 'new' }),
          testId: 'person-create',
        }}
      >
        <Filters />
      </PageHead>
      <Table<Person>
        rowKey="id"
        size="middle"
        columns={columns}
        dataSource={rows}
        loading={people.isPending || people.isPlaceholderData}
        scroll={{ x: 880 }}
        onRow={(person) => ({ 'data-testid': 'person-row', 'data-id': person.id }) as object}
        locale={{
          emptyText: (
            <Empty icon="people" title={t('persons.empty')} hint={t('persons.emptyHint')} />
          ),
        }}
        pagination={{
          current: page,
          pageSize: PAGE_SIZE,
          total: people.data?.total ?? 0,
          showSizeChanger: false,
          showTotal: (n) => t('desk.total', { n }),
          onChange: (next) => set({ page: String(next) }),
        }}
      />
      {opened?.what === 'new' && <PersonDrawer onClose={() => setOpened(undefined)} />}
      {opened?.what === 'edit' && chosen && (
        <PersonDrawer person={chosen} onClose={() => setOpened(undefined)} />
      )}
      {opened?.what === 'password' && chosen && (
        <ResetPassword person={chosen} onClose={() => setOpened(undefined)} />
      )}
    </>
  );
}

function Filters() {
  const { t } = useTranslation();
  const [get, set] = useFilters();
  const units = useUnits();
  return (
    <Space wrap>
      <Input.Search
        allowClear
        className="desk-search"
        aria-label={t('desk.search')}
        placeholder={t('persons.searchHint')}
        defaultValue={get('q')}
        onSearch={(q) => set({ q, page: undefined })}
      />
      <TreeSelect
        allowClear
        className="desk-unit"
        aria-label={t('persons.unit')}
        placeholder={t('persons.unit')}
        treeData={unitTree(units.data ?? [])}
        treeDefaultExpandAll
        value={get('unit') || undefined}
        onChange={(unit: string | undefined) => set({ unit, page: undefined })}
      />
      <Select
        allowClear
        className="desk-role"
        aria-label={t('persons.role')}
        placeholder={t('persons.role')}
        value={get('role') || undefined}
        options={ROLES.map((role) => ({ value: role, label: t(`role.${role}`) }))}
        onChange={(role: string | undefined) => set({ role, page: undefined })}
      />
    </Space>
  );
}

type T = ReturnType<typeof useTranslation>['t'];

function rolesText(person: Person, t: T): string[] {
  return person.roles.map((grant) => `${t(`role.${grant.role}`)} · ${grant.unit.name}`);
}

function exportPeople(rows: Person[], t: T): void {
  downloadCsv(
    t('desk.people'),
    [
      t('persons.name'),
      t('persons.username'),
      t('persons.kind'),
      t('persons.unit'),
      t('persons.roles'),
      t('persons.state'),
    ],
    rows.map((person) => [
      person.name,
      person.username ?? '',
      t(`personKind.${person.kind}`),
      person.unit.name,
      rolesText(person, t).join('; '),
      person.disabled ? t('persons.disabled') : t('persons.enabled'),
    ]),
  );
}

function useColumns(open: (opened: Opened) => void): ColumnsType<Person> {
  const { t } = useTranslation();
  return [
    { title: t('persons.name'), dataIndex: 'name', width: 160 },
    {
      title: t('persons.username'),
      dataIndex: 'username',
      width: 140,
      render: (username?: string | null) =>
        username ?? <span className="hint">{t('persons.noAccount')}</span>,
    },
    {
      title: t('persons.kind'),
      dataIndex: 'kind',
      width: 110,
      render: (kind: Person['kind']) => t(`personKind.${kind}`),
    },
    { title: t('persons.unit'), dataIndex: ['unit', 'name'] },
    {
      title: t('persons.roles'),
      key: 'roles',
      render: (_, person) => (
        <Space size={4} wrap>
          {rolesText(person, t).map((text) => (
            <Tag key={text}>{text}</Tag>
          ))}
        </Space>
      ),
    },
    {
      title: t('persons.state'),
      dataIndex: 'disabled',
      width: 120,
      render: (disabled: boolean) => (
        <StateTag tone={disabled ? 'refused' : 'ok'}>
          {disabled ? t('persons.disabled') : t('persons.enabled')}
        </StateTag>
      ),
    },
    {
      title: <span className="visually-hidden">{t('desk.actions')}</span>,
      key: 'actions',
      width: 64,
      fixed: 'right',
      render: (_, person) => <RowMenu person={person} open={open} />,
    },
  ];
}

function RowMenu({ person, open }: { person: Person; open: (opened: Opened) => void }) {
  const { t } = useTranslation();
  const { modal } = App.useApp();
  const change = useChange((disabled: boolean) => editPerson(person.id, { disabled }), keys.people);
  const disable = () =>
    void modal.confirm({
      title: t('persons.disableTitle', { name: person.name }),
      content: t('persons.disableText'),
      okText: t('persons.disable'),
      okButtonProps: { danger: true },
      onOk: () => change.mutateAsync(true).catch(() => undefined),
    });
  const items = [
    { key: 'edit', label: t('desk.edit'), onClick: () => open({ what: 'edit', id: person.id }) },
    ...(person.account_id
      ? [
          {
            key: 'password',
            label: t('persons.reset'),
            onClick: () => open({ what: 'password', id: person.id }),
          },
        ]
      : []),
    person.disabled
      ? { key: 'enable', label: t('persons.enable'), onClick: () => change.mutate(false) }
      : { key: 'disable', label: t('persons.disable'), danger: true, onClick: disable },
  ];
  return (
    <Dropdown menu={{ items }} trigger={['click']}>
      <Button
        type="text"
        icon={<EllipsisOutlined />}
        aria-label={`${t('desk.actions')}: ${person.name}`}
      />
    </Dropdown>
  );
}
