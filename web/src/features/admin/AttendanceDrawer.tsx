import { useQuery } from '@tanstack/react-query';
import { Drawer, Space } from 'antd';
import type { ColumnsType } from 'antd/es/table';
import { getAttendance, getBoard } from '../../api/calls';
import { client } from '../../api/client';
import { keys } from '../../api/live';
import type { BoardRow, Presence } from '../../api/types';
import type { Translate } from '../../i18n/texts';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, success, unwrap } from '../../lib/result';
import { useStore } from '../../lib/store';
import { wholeMinutes } from '../../lib/time';
import { AttendanceDetail } from '../../ui/AttendanceDetail';
import { Empty, Notice, Skeleton, StateTag, type Tone } from '../../ui/State';
import { AdjustButton } from './AppealsPage';
import { DeskTable } from './DeskTable';
import { exportCsv, type CsvColumn } from './exporting';
import { ExportButton } from './PageHead';

const PRESENCE_TONE: Record<Presence, Tone> = {
  absent: 'attention',
  connected: 'ok',
  interrupted: 'attention',
  left: 'neutral',
};

/** Who attended a lesson and what they earned; each row opens to its stretches and checks. */
export function AttendanceDrawer(props: { lessonId: string; onClose: () => void }) {
  const { t } = useTranslation();
  const board = useQuery({
    queryKey: keys.board(props.lessonId),
    queryFn: async () => unwrap(await getBoard(props.lessonId)),
  });
  const rows = board.data?.rows ?? [];
  const title = board.data?.lesson.title ?? '';
  const exportAll = () =>
    Promise.resolve(success(exportCsv(`${t('lessons.attendance')} ${title}`, csvColumns(t), rows)));
  return (
    <Drawer
      open
      size={880}
      title={title === '' ? t('lessons.attendance') : `${t('lessons.attendance')} · ${title}`}
      extra={<ExportButton onExport={exportAll} />}
      onClose={props.onClose}
    >
      <DeskTable<BoardRow>
        rowKey="account_id"
        columns={columns(t)}
        rows={rows}
        loading={board}
        scroll={{ x: 640 }}
        pagination={false}
        expandable={{
          rowExpandable: (row) => Boolean(row.attendance_id),
          expandedRowRender: (row) => <Detail id={row.attendance_id ?? ''} />,
        }}
        empty={<Empty icon="people" title={t('board.empty')} hint={t('board.emptyHint')} />}
      />
    </Drawer>
  );
}

function Detail({ id }: { id: string }) {
  const { t } = useTranslation();
  const session = useStore(client.session);
  const mayAdjust = session.status === 'signed_in' && session.me.may.includes('people.manage');
  const problemText = useProblemText();
  const attendance = useQuery({
    queryKey: keys.attendance(id),
    queryFn: async () => unwrap(await getAttendance(id)),
  });
  if (attendance.isPending) return <Skeleton label={t('app.loading')} />;
  if (!attendance.data) {
    return (
      <Notice tone="refused" role="alert">
        {problemText(problemOf(attendance.error))}
      </Notice>
    );
  }
  return (
    <>
      <AttendanceDetail attendance={attendance.data} />
      {mayAdjust && <AdjustButton attendanceId={id} />}
    </>
  );
}

function columns(t: Translate): ColumnsType<BoardRow> {
  return [
    { title: t('board.name'), dataIndex: 'name', width: 140 },
    { title: t('persons.unit'), dataIndex: 'unit_name' },
    {
      title: t('board.state'),
      key: 'state',
      width: 180,
      render: (_, row) => (
        <Space size={4} wrap>
          <StateTag tone={PRESENCE_TONE[row.presence]}>{t(`presence.${row.presence}`)}</StateTag>
          {row.needs_review && <StateTag tone="refused">{t('board.review')}</StateTag>}
        </Space>
      ),
    },
    {
      title: t('board.credited'),
      key: 'credited',
      width: 110,
      align: 'right',
      render: (_, row) => t('home.minutes', { n: wholeMinutes(row.credited_seconds) }),
    },
    {
      title: t('board.withheld'),
      key: 'withheld',
      width: 110,
      align: 'right',
      render: (_, row) => t('home.minutes', { n: wholeMinutes(row.withheld_seconds) }),
    },
  ];
}

function csvColumns(t: Translate): CsvColumn<BoardRow>[] {
  return [
    { title: t('board.name'), value: (row) => row.name },
    { title: t('persons.unit'), value: (row) => row.unit_name },
    { title: t('board.state'), value: (row) => t(`presence.${row.presence}`) },
    { title: t('lessons.creditedMinutes'), value: (row) => wholeMinutes(row.credited_seconds) },
    { title: t('lessons.withheldMinutes'), value: (row) => wholeMinutes(row.withheld_seconds) },
    { title: t('board.review'), value: (row) => (row.needs_review ? t('board.review') : '') },
  ];
}
