import {
  RoomAudioRenderer,
  RoomContext,
  useLocalParticipant,
  useParticipants,
} from '@livekit/components-react';
import { useQuery } from '@tanstack/react-query';
import { Track } from 'livekit-client';
import { lazy, Suspense, useEffect, useState, type ReactNode } from 'react';
import { listMessages } from '../../api/calls';
import { keys } from '../../api/live';
import type { ChatMessage, Join, Lesson } from '../../api/types';
import type { Visit } from '../../call/visit';
import { useTranslation } from '../../i18n/useText';
import { patiently } from '../../lib/patiently';
import { unwrap } from '../../lib/result';
import { Boundary } from '../../ui/Boundary';
import { Empty, Skeleton } from '../../ui/State';
import { isRaised } from './attributes';
import { Banners } from './Banners';
import { ChatPanel } from './ChatPanel';
import { Controls } from './Controls';
import { PanelFrame, type PanelName } from './PanelFrame';
import { PromptCard } from './PromptCard';
import { Stage } from './Stage';
import { TopBar } from './TopBar';
import './room.css';
import './panels.css';

// Nobody needs these to come in: they are fetched while the first pictures arrive.
const loadActions = () => patiently(() => import('./ClassActions'));
const loadBoard = () => patiently(() => import('./BoardPanel'));
const loadPeople = () => patiently(() => import('./PeoplePanel'));
const loadRecord = () => patiently(() => import('./RecordPanel'));
const loadRounds = () => patiently(() => import('./RoundsPanel'));
const loadRoundCard = () => patiently(() => import('./RoundCard'));
const loadDevices = () => patiently(() => import('./Devices'));
const ClassActions = lazy(loadActions);
const BoardPanel = lazy(loadBoard);
const PeoplePanel = lazy(loadPeople);
const RecordPanel = lazy(loadRecord);
const RoundsPanel = lazy(loadRounds);
const RoundCard = lazy(loadRoundCard);

/** A part that fails now fails again when it is shown, and says so there. */
function loadParts(isStaff: boolean): void {
  const staff = [loadActions, loadBoard, loadRounds];
  const parts = [loadPeople, loadDevices, ...(isStaff ? staff : [loadRecord, loadRoundCard])];
  for (const load of parts) load().catch(() => undefined);
}

interface Props {
  visit: Visit;
  lesson: Lesson;
  join: Join;
}

/** The classroom itself: a dark stage with everything one may need around it. */
export default function Room({ visit, lesson, join }: Props) {
  return (
    <RoomContext.Provider value={visit.call.room}>
      <RoomAudioRenderer />
      <Inside visit={visit} lesson={lesson} join={join} />
    </RoomContext.Provider>
  );
}

/** On a phone the picture has the screen; panels open as sheets when asked for. */
const WIDE = '(min-width: 900px)';

function firstPanel(isStaff: boolean): PanelName | undefined {
  if (!window.matchMedia(WIDE).matches) return undefined;
  return isStaff ? 'board' : 'chat';
}

function Inside({ visit, lesson, join }: Props) {
  const isStaff = lesson.my_role !== 'learner';
  const [panel, setPanel] = useState(() => firstPanel(isStaff));
  const messages = useMessages(lesson.id);
  const participants = useParticipants();
  const { localParticipant } = useLocalParticipant();
  useEffect(() => loadParts(isStaff), [isStaff]);
  const me = localParticipant.identity;
  const others = messages.filter((message) => message.account_id !== me).length;
  const unread = useUnread(others, panel === 'chat');
  const toggle = (name: PanelName) => setPanel(panel === name ? undefined : name);
  return (
    <div
      className={panel ? 'room room-frame room-with-panel' : 'room room-frame'}
      data-testid="room"
    >
      <TopBar lesson={lesson} visit={visit}>
        {isStaff && (
          <Boundary fallback={() => null}>
            <Suspense>
              <ClassActions lesson={lesson} onAsked={() => setPanel('rounds')} />
            </Suspense>
          </Boundary>
        )}
      </TopBar>
      <div className="room-middle">
        <div className="room-pictures">
          <Banners visit={visit} lesson={lesson} />
          <Stage call={visit.call} isStaff={isStaff} />
          {!isStaff && (
            <Boundary fallback={() => null}>
              <Suspense>
                <RoundCard lesson={lesson} prompts={visit.prompts} />
              </Suspense>
            </Boundary>
          )}
        </div>
        {panel && (
          <PanelFrame
            panel={panel}
            isStaff={isStaff}
            unread={unread}
            people={participants.length}
            onChoose={setPanel}
          >
            {panel === 'chat' && <ChatPanel lesson={lesson} messages={messages} me={me} />}
            <LoadedPanel key={panel}>
              {panel === 'people' && (
                <PeoplePanel lesson={lesson} participants={participants} isStaff={isStaff} />
              )}
              {panel === 'board' && <BoardPanel lesson={lesson} />}
              {panel === 'rounds' && <RoundsPanel lesson={lesson} />}
              {panel === 'record' && <RecordPanel attendanceId={join.attendance_id} />}
            </LoadedPanel>
          </PanelFrame>
        )}
      </div>
      <Controls
        visit={visit}
        isStaff={isStaff}
        hushed={lesson.hushed === true}
        panel={panel}
        unread={unread}
        hands={participants.filter(isRaised).length}
        onPanel={toggle}
      />
      <PromptCard
        prompts={visit.prompts}
        onCamera={() => void visit.call.toggle(Track.Source.Camera, true)}
      />
    </div>
  );
}

/** A panel whose code may still be on its way; should it never come, the class goes on beside it. */
function LoadedPanel({ children }: { children: ReactNode }) {
  const { t } = useTranslation();
  const failed = () => (
    <Empty icon="alert" title={t('room.panelFailed')} hint={t('room.panelFailedHint')} />
  );
  return (
    <Boundary fallback={failed}>
      <Suspense fallback={<Skeleton lines={5} label={t('app.loading')} />}>{children}</Suspense>
    </Boundary>
  );
}

/** Events bring messages at once; this finds those that were missed. */
const REFETCH_MS = 30_000;

const NO_MESSAGES: ChatMessage[] = [];

function useMessages(lessonId: string): ChatMessage[] {
  const { data } = useQuery({
    queryKey: keys.chat(lessonId),
    queryFn: async () => unwrap(await listMessages(lessonId)).items,
    refetchInterval: REFETCH_MS,
  });
  return data ?? NO_MESSAGES;
}

/** Messages that came while the chat was not shown. */
function useUnread(count: number, shown: boolean): number {
  const [seen, setSeen] = useState(count);
  // Adjusted while rendering, as React advises for state that follows a changed input.
  if (shown && seen !== count) setSeen(count);
  return shown ? 0 : Math.max(0, count - seen);
}
