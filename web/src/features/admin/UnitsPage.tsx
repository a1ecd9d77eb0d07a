import { Button, Card, Descriptions, Empty, Form, Input, Skeleton, Tree } from 'antd';
import { useState } from 'react';
import { createUnit, editUnit } from '../../api/calls';
import { keys } from '../../api/live';
import type { Unit } from '../../api/types';
import { useTranslation } from '../../i18n/useText';
import { downloadCsv } from '../../lib/csv';
import { PageHead } from './PageHead';
import { unitTree, useChange, useUnits } from './queries';
import { useFilters } from './useFilters';

/** The five levels from the top. */
const LEVELS = ['ministry', 'province', 'city', 'county', 'township'] as const;
const LEVEL_LOWEST = LEVELS.length;

function useLevelText(): (level: number) => string {
  const { t } = useTranslation();
  return (level) => {
    const name = LEVELS[level - 1];
    return name ? t(`level.${name}`) : String(level);
  };
}

export function UnitsPage() {
  const { t } = useTranslation();
  const units = useUnits();
  const levelText = useLevelText();
  const [get, set] = useFilters();
  const all = units.data ?? [];
  const chosen = all.find((unit) => unit.id === get('unit'));
  const exportAll = () =>
    downloadCsv(
      t('desk.units'),
      [t('units.code'), t('units.name'), t('units.level'), t('units.parent')],
      all.map((unit) => [
        unit.code,
        unit.name,
        levelText(unit.level),
        all.find((each) => each.id === unit.parent_id)?.name ?? '',
      ]),
    );
  return (
    <>
      <PageHead title={t('desk.units')} onExport={exportAll}>
        <p className="hint">{t('units.lead')}</p>
      </PageHead>
      <div className="units">
        <Card>
          {units.isPending ? (
            <Skeleton active />
          ) : all.length === 0 ? (
            <Empty description={t('units.empty')} />
          ) : (
            <Tree
              treeData={unitTree(all)}
              defaultExpandAll
              blockNode
              showLine
              selectedKeys={chosen ? [chosen.id] : []}
              onSelect={(selected) => set({ unit: selected[0]?.toString() })}
            />
          )}
        </Card>
        {chosen ? (
          <UnitCard key={chosen.id} unit={chosen} all={all} />
        ) : (
          <Card>
            <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={t('units.choose')} />
          </Card>
        )}
      </div>
    </>
  );
}

function UnitCard({ unit, all }: { unit: Unit; all: Unit[] }) {
  const { t } = useTranslation();
  const levelText = useLevelText();
  const parent = all.find((each) => each.id === unit.parent_id);
  const edit = useChange(
    (change: { name: string; code: string }) => editUnit(unit.id, change),
    keys.units,
  );
  return (
    <div className="units-side">
      <Card title={unit.name}>
        <Descriptions
          column={1}
          size="small"
          items={[
            { key: 'level', label: t('units.level'), children: levelText(unit.level) },
            { key: 'parent', label: t('units.parent'), children: parent?.name ?? '–' },
          ]}
        />
        <UnitForm initial={unit} busy={edit.isPending} onSave={edit.mutate} text={t('app.save')} />
      </Card>
      {unit.level < LEVEL_LOWEST ? (
        <AddUnit parent={unit} />
      ) : (
        <p className="hint">{t('units.lowest')}</p>
      )}
    </div>
  );
}

function AddUnit({ parent }: { parent: Unit }) {
  const { t } = useTranslation();
  const [round, setRound] = useState(0);
  const add = useChange(
    (unit: { name: string; code: string }) => createUnit({ ...unit, parent_id: parent.id }),
    keys.units,
    { onDone: () => setRound(round + 1) },
  );
  return (
    <Card title={t('units.addTo', { name: parent.name })}>
      <UnitForm key={round} busy={add.isPending} onSave={add.mutate} text={t('units.add')} />
    </Card>
  );
}

function UnitForm(props: {
  initial?: { name: string; code: string };
  busy: boolean;
  text: string;
  onSave: (unit: { name: string; code: string }) => void;
}) {
  const { t } = useTranslation();
  const required = { required: true, whitespace: true, message: t('desk.required') };
  return (
    <Form<{ name: string; code: string }>
      layout="vertical"
      initialValues={props.initial}
      onFinish={props.onSave}
      requiredMark={false}
    >
      <Form.Item name="name" label={t('units.name')} rules={[required]}>
        <Input maxLength={100} />
      </Form.Item>
      <Form.Item name="code" label={t('units.code')} rules={[required]}>
        <Input maxLength={40} />
      </Form.Item>
      <Button type={props.initial ? 'default' : 'primary'} htmlType="submit" loading={props.busy}>
        {props.text}
      </Button>
    </Form>
  );
}
