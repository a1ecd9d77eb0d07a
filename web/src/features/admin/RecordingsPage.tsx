import { useQuery } from '@tanstack/react-query';
import { Button } from 'antd';
import type { ColumnsType } from 'antd/es/table';
import { lazy, Suspense } from 'react';
import { keys } from '../../api/live';
import { listRecordings, type ListedRecording, type Recording } from '../../api/recordings';
import { useTranslation } from '../../i18n/useText';
import { patiently } from '../../lib/patiently';
import { unwrap } from '../../lib/result';
import { dateTime, runningTime } from '../../lib/time';
import { Empty, Skeleton, StateTag, type Tone } from '../../ui/State';
import { DeskTable, PAGE_SIZE, pageOf, usePages } from './DeskTable';
import { PageHead } from './PageHead';
import { useFilters } from './useFilters';

const RecordingDrawer = lazy(() => patiently(() => import('./recording/RecordingDrawer')));

const TONES: Record<Recording['state'], Tone> = {
  running: 'refused',
  paused: 'attention',
  ending: 'waiting',
  ended: 'ok',
};

/** Everything that was recorded in lessons that one teaches or runs. */
export function RecordingsPage() {
  const { t } = useTranslation();
  const { get, set } = useFilters();
  const page = pageOf(get('page'));
  const recordings = useQuery({
    queryKey: [...keys.recordings, page],
    queryFn: async () => unwrap(await listRecordings(page, PAGE_SIZE)),
    placeholderData: (before) => before,
  });
  const columns = useColumns();
  const opened = get('recording');
  return (
    <>
      <PageHead title={t('desk.recordings')} />
      <DeskTable<ListedRecording>
        rowKey="id"
        columns={columns}
        rows={recordings.data?.items ?? []}
        loading={recordings}
        scroll={{ x: 900 }}
        onRow={(row) => ({ 'data-testid': 'recording-row', 'data-id': row.id }) as object}
        empty={
          <Empty icon="camera" title={t('recordings.empty')} hint={t('recordings.emptyHint')} />
        }
        pagination={usePages(recordings.data?.total)}
      />
      {opened !== '' && (
        <Suspense fallback={<Skeleton label={t('app.loading')} />}>
          <RecordingDrawer id={opened} onClose={() => set({ recording: undefined })} />
        </Suspense>
      )}
    </>
  );
}

function useColumns(): ColumnsType<ListedRecording> {
  const { t, i18n } = useTranslation();
  const { open } = useFilters();
  return [
    { title: t('recordings.lesson'), dataIndex: 'title' },
    {
      title: t('recordings.started'),
      dataIndex: 'started_at',
      width: 170,
      render: (at: string) => dateTime(at, i18n.language),
    },
    {
      title: t('recordings.length'),
      key: 'length',
      width: 110,
      align: 'right',
      render: (_, row) => (row.ended_at === undefined ? '' : runningTime(lengthOf(row))),
    },
    {
      title: t('recordings.troubles'),
      key: 'troubles',
      width: 170,
      render: (_, row) => <Troubles of={row} />,
    },
    {
      title: t('recordings.state'),
      dataIndex: 'state',
      width: 140,
      render: (state: Recording['state']) => (
        <StateTag tone={TONES[state]}>{t(`recordingState.${state}`)}</StateTag>
      ),
    },
    {
      title: <span className="visually-hidden">{t('desk.actions')}</span>,
      key: 'actions',
      width: 100,
      fixed: 'right',
      render: (_, row) => (
        <Button
          size="small"
          data-testid="recording-open"
          aria-label={`${t('recordings.open')}: ${row.title}`}
          onClick={() => open({ recording: row.id })}
        >
          {t('recordings.open')}
        </Button>
      ),
    },
  ];
}

function Troubles({ of }: { of: Recording }) {
  const { t } = useTranslation();
  const [first] = of.incidents;
  if (!first) return t('recordings.noTroubles');
  const rest = of.incidents.length - 1;
  return (
    <StateTag tone="attention">
      {t(`incident.${first.incident}`)}
      {rest > 0 && ` +${String(rest)}`}
    </StateTag>
  );
}

function lengthOf(recording: Recording): number {
  const ended = recording.ended_at ?? recording.started_at;
  return (Date.parse(ended) - Date.parse(recording.started_at)) / 1000;
}
