import { Button, Card, Descriptions, Form, Input, Skeleton, Tree } from 'antd';
import { useState } from 'react';
import { createUnit, editUnit } from '../../api/calls';
import { keys } from '../../api/live';
import type { Unit } from '../../api/types';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, success } from '../../lib/result';
import { Empty, Notice } from '../../ui/State';
import { exportCsv } from './exporting';
import { Refusal } from './Refusal';
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
  const { get, set } = useFilters();
  const all = units.data ?? [];
  const chosen = all.find((unit) => unit.id === get('unit'));
  const nameOf = (id: string | null) => all.find((unit) => unit.id === id)?.name ?? '';
  const exportAll = () => {
    const columns = [
      { title: t('units.code'), value: (unit: Unit) => unit.code },
      { title: t('units.name'), value: (unit: Unit) => unit.name },
      { title: t('units.level'), value: (unit: Unit) => levelText(unit.level) },
      { title: t('units.parent'), value: (unit: Unit) => nameOf(unit.parent_id) },
    ];
    return Promise.resolve(success(exportCsv(t('desk.units'), columns, all)));
  };
  return (
    <>
      <PageHead title={t('desk.units')} onExport={exportAll}>
        <p className="hint">{t('units.lead')}</p>
        <Input.Search
          key={get('q')}
          allowClear
          className="desk-search"
          aria-label={t('desk.search')}
          placeholder={t('units.searchHint')}
          defaultValue={get('q')}
          onSearch={(q) => set({ q })}
        />
      </PageHead>
      <div className="units">
        <Card>
          <UnitTree units={units} />
        </Card>
        {chosen ? (
          <UnitCard key={chosen.id} unit={chosen} all={all} />
        ) : (
          <Card>
            <Empty icon="board" title={t('units.choose')} />
          </Card>
        )}
      </div>
    </>
  );
}

function UnitTree({ units }: { units: ReturnType<typeof useUnits> }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const { get, set } = useFilters();
  if (units.isPending) return <Skeleton active />;
  if (!units.data) {
    return (
      <Notice
        tone="refused"
        role="alert"
        action={<Button onClick={() => void units.refetch()}>{t('app.retry')}</Button>}
      >
        {problemText(problemOf(units.error))}
      </Notice>
    );
  }
  const shown = matching(units.data, get('q'));
  if (shown.length === 0) {
    return <Empty icon="board" title={t('units.noMatch')} hint={t('units.noMatchHint')} />;
  }
  return (
    <Tree
      key={get('q')}
      treeData={unitTree(shown)}
      defaultExpandAll
      blockNode
      showLine
      selectedKeys={[get('unit')]}
      onSelect={(selected) => set({ unit: selected[0]?.toString() })}
    />
  );
}

/** Units whose name or code has the words, with all that lie above them. */
export function matching(units: Unit[], wanted: string): Unit[] {
  const words = wanted.trim().toLowerCase();
  if (words === '') return units;
  const byId = new Map(units.map((unit) => [unit.id, unit]));
  const kept = new Set<string>();
  for (const unit of units) {
    if (!`${unit.name} ${unit.code}`.toLowerCase().includes(words)) continue;
    let each: Unit | undefined = unit;
    while (each && !kept.has(each.id)) {
      kept.add(each.id);
      each = each.parent_id === null ? undefined : byId.get(each.parent_id);
    }
  }
  return units.filter((unit) => kept.has(unit.id));
}

function UnitCard({ unit, all }: { unit: Unit; all: Unit[] }) {
  const { t } = useTranslation();
  const levelText = useLevelText();
  const parent = all.find((each) => each.id === unit.parent_id);
  const edit = useChange(
    (change: { name: string; code: string }) => editUnit(unit.id, change),
    keys.units,
    { inForm: true },
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
        <UnitForm initial={unit} saving={edit} text={t('app.save')} />
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
    { onDone: () => setRound(round + 1), inForm: true },
  );
  return (
    <Card title={t('units.addTo', { name: parent.name })}>
      <UnitForm key={round} saving={add} text={t('units.add')} />
    </Card>
  );
}

function UnitForm(props: {
  initial?: { name: string; code: string };
  saving: {
    isPending: boolean;
    error: unknown;
    mutate: (unit: { name: string; code: string }) => void;
  };
  text: string;
}) {
  const { t } = useTranslation();
  const required = { required: true, whitespace: true, message: t('desk.required') };
  return (
    <Form<{ name: string; code: string }>
      // Two of these stand on the page: their fields need ids of their own.
      name={props.initial ? 'unit' : 'new-unit'}
      layout="vertical"
      initialValues={props.initial}
      onFinish={props.saving.mutate}
      requiredMark={false}
    >
      <Form.Item name="name" label={t('units.name')} rules={[required]}>
        <Input maxLength={100} />
      </Form.Item>
      <Form.Item name="code" label={t('units.code')} rules={[required]}>
        <Input maxLength={40} />
      </Form.Item>
      <Refusal error={props.saving.error} />
      <Button
        type={props.initial ? 'default' : 'primary'}
        htmlType="submit"
        loading={props.saving.isPending}
      >
        {props.text}
      </Button>
    </Form>
  );
}
