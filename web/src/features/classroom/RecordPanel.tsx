import { useQuery } from '@tanstack/react-query';
import { getAttendance } from '../../api/calls';
import { keys } from '../../api/live';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, unwrap } from '../../lib/result';
import { runningTime } from '../../lib/time';
import { AttendanceDetail } from '../../ui/AttendanceDetail';
import { Empty, Notice, Skeleton } from '../../ui/State';

const REFETCH_MS = 10_000;

/** The learner's own record of this lesson while it runs. */
export default function RecordPanel({ attendanceId }: { attendanceId?: string | null }) {
  const { t } = useTranslation();
  if (!attendanceId) {
    return <Empty icon="book" title={t('record.empty')} hint={t('record.emptyHint')} />;
  }
  return <Record id={attendanceId} />;
}

function Record({ id }: { id: string }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const attendance = useQuery({
    queryKey: keys.attendance(id),
    queryFn: async () => unwrap(await getAttendance(id)),
    refetchInterval: REFETCH_MS,
  });
  if (attendance.isPending) return <Skeleton lines={4} label={t('app.loading')} />;
  if (!attendance.data) {
    return (
      <Notice tone="refused" role="alert">
        {problemText(problemOf(attendance.error))}
      </Notice>
    );
  }
  const { credited_seconds, withheld_seconds } = attendance.data;
  return (
    <div className="room-record" data-testid="my-record">
      <dl className="board-figures">
        <div className="board-figure board-ok">
          <dt>{t('record.credited')}</dt>
          <dd className="figures">{runningTime(credited_seconds)}</dd>
        </div>
        <div className="board-figure board-refused">
          <dt>{t('record.withheld')}</dt>
          <dd className="figures">{runningTime(withheld_seconds)}</dd>
        </div>
      </dl>
      <AttendanceDetail attendance={attendance.data} />
    </div>
  );
}
