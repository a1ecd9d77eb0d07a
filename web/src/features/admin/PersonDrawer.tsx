import { App, Button, Drawer, Form, Input, Select, Space, Tag, TreeSelect } from 'antd';
import { useState } from 'react';
import { createPerson, editPerson, grantRole, revokeRole } from '../../api/calls';
import type { PersonDraft } from '../../api/calls';
import { keys } from '../../api/live';
import { ROLES, type Person, type Role, type RoleGrant } from '../../api/types';
import { useTranslation } from '../../i18n/useText';
import { Refusal } from './Refusal';
import { unitTree, useChange, useUnits } from './queries';

/** A new person, or one that is there already with their roles. */
export function PersonDrawer({ person, onClose }: { person?: Person; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Drawer
      open
      size={480}
      title={person ? t('persons.editTitle', { name: person.name }) : t('persons.create')}
      mask={{ closable: false }}
      onClose={onClose}
    >
      {person ? (
        <>
          <EditForm person={person} onDone={onClose} />
          <Roles person={person} />
        </>
      ) : (
        <CreateForm onDone={onClose} />
      )}
    </Drawer>
  );
}

function useUnitField() {
  const units = useUnits();
  return { treeData: unitTree(units.data ?? []), treeDefaultExpandAll: true };
}

function CreateForm({ onDone }: { onDone: () => void }) {
  const { t } = useTranslation();
  const unitField = useUnitField();
  const required = { required: true, message: t('desk.required') };
  const create = useChange((draft: PersonDraft) => createPerson(draft), keys.people, {
    onDone,
    inForm: true,
  });
  return (
    <Form<PersonDraft>
      layout="vertical"
      requiredMark={false}
      initialValues={{ kind: 'subject', role: 'learner' }}
      onFinish={create.mutate}
    >
      <Form.Item name="name" label={t('persons.name')} rules={[{ ...required, whitespace: true }]}>
        <Input maxLength={100} />
      </Form.Item>
      <Form.Item name="unit_id" label={t('persons.unit')} rules={[required]}>
        <TreeSelect {...unitField} />
      </Form.Item>
      <Form.Item name="kind" label={t('persons.kind')}>
        <Select
          options={(['subject', 'staff'] as const).map((kind) => ({
            value: kind,
            label: t(`personKind.${kind}`),
          }))}
        />
      </Form.Item>
      <Form.Item name="role" label={t('persons.role')}>
        <Select
          allowClear
          options={ROLES.map((role) => ({ value: role, label: t(`role.${role}`) }))}
        />
      </Form.Item>
      <Form.Item
        name="username"
        label={t('persons.username')}
        extra={t('persons.accountHint')}
        dependencies={['password']}
      >
        <Input autoComplete="off" maxLength={64} />
      </Form.Item>
      <Form.Item
        name="password"
        label={t('persons.password')}
        extra={t('password.rule')}
        dependencies={['username']}
        rules={[
          ({ getFieldValue }) => ({
            required: Boolean(getFieldValue('username')),
            min: 8,
            message: t('password.tooShort'),
          }),
        ]}
      >
        <Input.Password autoComplete="new-password" />
      </Form.Item>
      <Refusal error={create.error} />
      <Button type="primary" htmlType="submit" loading={create.isPending} block>
        {t('app.save')}
      </Button>
    </Form>
  );
}

function EditForm({ person, onDone }: { person: Person; onDone: () => void }) {
  const { t } = useTranslation();
  const unitField = useUnitField();
  const required = { required: true, message: t('desk.required') };
  const edit = useChange(
    (change: { name: string; unit_id: string }) => editPerson(person.id, change),
    keys.people,
    { onDone, inForm: true },
  );
  return (
    <Form<{ name: string; unit_id: string }>
      layout="vertical"
      requiredMark={false}
      initialValues={{ name: person.name, unit_id: person.unit.id }}
      onFinish={edit.mutate}
    >
      <Form.Item name="name" label={t('persons.name')} rules={[{ ...required, whitespace: true }]}>
        <Input maxLength={100} />
      </Form.Item>
      <Form.Item name="unit_id" label={t('persons.unit')} rules={[required]}>
        <TreeSelect {...unitField} />
      </Form.Item>
      <Refusal error={edit.error} />
      <Button type="primary" htmlType="submit" loading={edit.isPending} block>
        {t('app.save')}
      </Button>
    </Form>
  );
}

function Roles({ person }: { person: Person }) {
  const { t } = useTranslation();
  const { modal } = App.useApp();
  const unitField = useUnitField();
  const [role, setRole] = useState<Role>('learner');
  const [unit, setUnit] = useState(person.unit.id);
  const grant = useChange(() => grantRole(person.id, role, unit), keys.people);
  const revoke = useChange(
    (held: RoleGrant) => revokeRole(person.id, held.role, held.unit.id),
    keys.people,
  );
  const askRevoke = (held: RoleGrant) =>
    void modal.confirm({
      title: t('persons.revokeTitle'),
      content: t('persons.revokeText', {
        name: person.name,
        unit: held.unit.name,
        role: t(`role.${held.role}`),
      }),
      okButtonProps: { danger: true },
      onOk: () => revoke.mutateAsync(held).catch(() => undefined),
    });
  return (
    <section className="desk-roles">
      <h2>{t('persons.roles')}</h2>
      <Space size={[4, 8]} wrap>
        {person.roles.map((held) => (
          <Tag
            key={`${held.role} ${held.unit.id}`}
            closable
            onClose={(event) => {
              event.preventDefault();
              askRevoke(held);
            }}
          >
            {t(`role.${held.role}`)} · {held.unit.name}
          </Tag>
        ))}
      </Space>
      <div className="desk-add-role">
        <Select
          aria-label={t('persons.role')}
          value={role}
          options={ROLES.map((each) => ({ value: each, label: t(`role.${each}`) }))}
          onChange={setRole}
        />
        <TreeSelect
          {...unitField}
          aria-label={t('persons.unit')}
          value={unit}
          onChange={(next: string) => setUnit(next)}
        />
        <Button loading={grant.isPending} onClick={() => grant.mutate(undefined)}>
          {t('persons.addRole')}
        </Button>
      </div>
    </section>
  );
}
