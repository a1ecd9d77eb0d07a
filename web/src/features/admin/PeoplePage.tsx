import { EllipsisOutlined } from '@ant-design/icons';
import { App, Button, Dropdown, Input, Select, Space, Tag, TreeSelect } from 'antd';
import type { ColumnsType } from 'antd/es/table';
import { useState } from 'react';
import { editPerson, listPeople } from '../../api/calls';
import { client } from '../../api/client';
import { keys } from '../../api/live';
import { ROLES, type Person } from '../../api/types';
import { useTranslation } from '../../i18n/useText';
import type { Translate } from '../../i18n/texts';
import { success } from '../../lib/result';
import { Empty, StateTag } from '../../ui/State';
import { BulkBar, useBulk, type Bulk } from './Bulk';
import { DeskTable, PAGE_SIZE, pageOf, usePages } from './DeskTable';
import { everyPage, exportCsv, type CsvColumn } from './exporting';
import { PageHead } from './PageHead';
import { PersonDrawer } from './PersonDrawer';
import { ResetPassword } from './ResetPassword';
import { unitTree, usePeople, useUnits } from './queries';
import { useFilters } from './useFilters';

export function PeoplePage() {
  const { t } = useTranslation();
  const { get, open } = useFilters();
  const [ticked, setTicked] = useState<string[]>([]);
  const filter = { unit_id: get('unit'), q: get('q'), role: get('role') };
  const people = usePeople({ ...filter, page: pageOf(get('page')), page_size: PAGE_SIZE });
  const rows = people.data?.items ?? [];
  const bulk = useBulk<Person>(keys.people);
  const columns = useColumns(bulk);
  const exportAll = async () => {
    const all = await everyPage((page, page_size) => listPeople({ ...filter, page, page_size }));
    return all.ok ? success(exportCsv(t('desk.people'), csvColumns(t), all.value)) : all;
  };
  return (
    <>
      <PageHead
        title={t('desk.people')}
        onExport={exportAll}
        create={{
          text: t('persons.create'),
          onClick: () => open({ new: '1' }),
          testId: 'person-create',
        }}
      >
        <FilterBar />
      </PageHead>
      <People
        people={rows.filter((person) => ticked.includes(person.id))}
        bulk={bulk}
        onClear={() => setTicked([])}
      />
      <DeskTable<Person>
        rowKey="id"
        columns={columns}
        rows={rows}
        loading={people}
        scroll={{ x: 960 }}
        rowSelection={{
          selectedRowKeys: ticked,
          onChange: (chosen) => setTicked(chosen.map(String)),
          getCheckboxProps: (person) => ({
            disabled: !person.account_id || isMe(person),
            'aria-label': t('desk.choose', { name: person.name }),
          }),
        }}
        onRow={(person) => ({ 'data-testid': 'person-row', 'data-id': person.id }) as object}
        empty={<Empty icon="people" title={t('persons.empty')} hint={t('persons.emptyHint')} />}
        pagination={usePages(people.data?.total)}
      />
      <Opened rows={rows} />
    </>
  );
}

/** Nobody bars themselves: the server would refuse it. */
function isMe(person: Person): boolean {
  const session = client.session.get();
  return session.status === 'signed_in' && session.me.person_id === person.id;
}

/** What the address says is open over the table. */
function Opened({ rows }: { rows: Person[] }) {
  const { get, set } = useFilters();
  const close = () => set({ new: undefined, edit: undefined, password: undefined });
  const edited = rows.find((person) => person.id === get('edit'));
  const reset = rows.find((person) => person.id === get('password'));
  if (get('new') === '1') return <PersonDrawer onClose={close} />;
  if (edited) return <PersonDrawer person={edited} onClose={close} />;
  if (reset) return <ResetPassword person={reset} onClose={close} />;
  return null;
}

function FilterBar() {
  const { t } = useTranslation();
  const { get, set } = useFilters();
  const units = useUnits();
  return (
    <Space wrap>
      <Input.Search
        key={get('q')}
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

const disable = (person: Person) => editPerson(person.id, { disabled: true });
const enable = (person: Person) => editPerson(person.id, { disabled: false });

function People(props: { people: Person[]; bulk: Bulk<Person>; onClear: () => void }) {
  const { people, bulk, onClear } = props;
  const { t } = useTranslation();
  const { modal } = App.useApp();
  const active = people.filter((person) => !person.disabled);
  const barred = people.filter((person) => person.disabled);
  const ask = () =>
    void modal.confirm({
      title: t('persons.disableManyTitle', { n: active.length }),
      content: t('persons.disableText'),
      okText: t('persons.disable'),
      okButtonProps: { danger: true },
      onOk: () => bulk.run(active, disable, enable).then(onClear),
    });
  return (
    <BulkBar count={people.length} onClear={onClear}>
      <Button
        size="small"
        danger
        disabled={active.length === 0}
        loading={bulk.progress !== undefined}
        data-testid="bulk-disable"
        onClick={ask}
      >
        {t('persons.disable')}
      </Button>
      <Button
        size="small"
        disabled={barred.length === 0 || bulk.progress !== undefined}
        data-testid="bulk-enable"
        onClick={() => void bulk.run(barred, enable, disable).then(onClear)}
      >
        {t('persons.enable')}
      </Button>
      {bulk.progress && <span role="status">{t('desk.progress', bulk.progress)}</span>}
    </BulkBar>
  );
}

function rolesText(person: Person, t: Translate): string[] {
  return person.roles.map((grant) => `${t(`role.${grant.role}`)} · ${grant.unit.name}`);
}

function csvColumns(t: Translate): CsvColumn<Person>[] {
  return [
    { title: t('persons.name'), value: (person) => person.name },
    { title: t('persons.username'), value: (person) => person.username ?? '' },
    { title: t('persons.kind'), value: (person) => t(`personKind.${person.kind}`) },
    { title: t('persons.unit'), value: (person) => person.unit.name },
    { title: t('persons.roles'), value: (person) => rolesText(person, t).join('; ') },
    {
      title: t('persons.state'),
      value: (person) => (person.disabled ? t('persons.disabled') : t('persons.enabled')),
    },
  ];
}

function useColumns(bulk: Bulk<Person>): ColumnsType<Person> {
  const { t } = useTranslation();
  return [
    { title: t('persons.name'), dataIndex: 'name', width: 160 },
    {
      title: t('persons.username'),
      dataIndex: 'username',
      width: 150,
      render: (username?: string | null) =>
        username ?? <span className="hint">{t('persons.noAccount')}</span>,
    },
    {
      title: t('persons.kind'),
      dataIndex: 'kind',
      width: 120,
      render: (kind: Person['kind']) => t(`personKind.${kind}`),
    },
    { title: t('persons.unit'), dataIndex: ['unit', 'name'] },
    {
      title: t('persons.roles'),
      key: 'roles',
      render: (_, person) => (
        <Space size={4} wrap>
          {rolesText(person, t).map((text) => (
            <Tag key={text} className="desk-tag">
              {text}
            </Tag>
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
      render: (_, person) => <RowMenu person={person} bulk={bulk} />,
    },
  ];
}

function RowMenu({ person, bulk }: { person: Person; bulk: Bulk<Person> }) {
  const { t } = useTranslation();
  const { open } = useFilters();
  const { modal } = App.useApp();
  const ask = () =>
    void modal.confirm({
      title: t('persons.disableTitle', { name: person.name }),
      content: t('persons.disableText'),
      okText: t('persons.disable'),
      okButtonProps: { danger: true },
      onOk: () => bulk.run([person], disable, enable),
    });
  const edit = { key: 'edit', label: t('desk.edit'), onClick: () => open({ edit: person.id }) };
  const password = {
    key: 'password',
    label: t('persons.reset'),
    onClick: () => open({ password: person.id }),
  };
  const bar = person.disabled
    ? {
        key: 'enable',
        label: t('persons.enable'),
        onClick: () => void bulk.run([person], enable, disable),
      }
    : { key: 'disable', label: t('persons.disable'), danger: true, onClick: ask };
  // The server refuses both for an own account and makes no sense of them without one.
  const hasOthersAccount = Boolean(person.account_id) && !isMe(person);
  return (
    <Dropdown
      menu={{ items: hasOthersAccount ? [edit, password, bar] : [edit] }}
      trigger={['click']}
    >
      <Button
        type="text"
        icon={<EllipsisOutlined />}
        data-testid="person-menu"
        aria-label={`${t('desk.actions')}: ${person.name}`}
      />
    </Dropdown>
  );
}
