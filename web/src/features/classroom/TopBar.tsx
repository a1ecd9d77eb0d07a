import { ConnectionQualityIndicator } from './Quality';
import { useIsRecording, useLocalParticipant } from '@livekit/components-react';
import type { ReactNode } from 'react';
import type { Lesson } from '../../api/types';
import type { Visit } from '../../call/visit';
import { useTranslation } from '../../i18n/useText';
import { serverClock } from '../../lib/serverClock';
import { useStore } from '../../lib/store';
import { useSeconds } from '../../lib/ticker';
import { runningTime, wholeMinutes } from '../../lib/time';
import { lessonTone } from '../../ui/lessonTone';
import { StateTag } from '../../ui/State';

export function TopBar(props: { lesson: Lesson; visit: Visit; children?: ReactNode }) {
  const { lesson, visit } = props;
  const { t } = useTranslation();
  const { localParticipant } = useLocalParticipant();
  const credited = useStore(visit.credited);
  return (
    <header className="top-bar">
      <div className="top-words">
        <h1>{lesson.title}</h1>
        <StateTag tone={lessonTone(lesson.state)}>{t(`lessonState.${lesson.state}`)}</StateTag>
        <Recorded />
        {lesson.started_at && <Elapsed since={lesson.started_at} />}
        {credited !== undefined && (
          <span className="top-credit figures" data-testid="credited">
            {t('room.credited', { n: wholeMinutes(credited) })}
          </span>
        )}
        <ConnectionQualityIndicator participant={localParticipant} />
      </div>
      {props.children}
    </header>
  );
}

/** Nobody is recorded without being told so all the time. */
function Recorded() {
  const { t } = useTranslation();
  const isRecorded = useIsRecording();
  return (
    <span className="top-recorded" role="status">
      {isRecorded && (
        <span className="recorded-now" data-testid="recorded">
          {t('room.recorded')}
        </span>
      )}
    </span>
  );
}

function Elapsed({ since }: { since: string }) {
  useSeconds();
  const seconds = (serverClock.now() - Date.parse(since)) / 1000;
  return <span className="top-time figures">{runningTime(seconds)}</span>;
}
