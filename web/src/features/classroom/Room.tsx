import {
  RoomAudioRenderer,
  RoomContext,
  useChat,
  useLocalParticipant,
  useParticipants,
} from '@livekit/components-react';
import { useState } from 'react';
import type { Join, Lesson } from '../../api/types';
import type { Visit } from '../../call/visit';
import { Banners } from './Banners';
import { ChatPanel } from './ChatPanel';
import { ClassActions } from './ClassActions';
import { Controls } from './Controls';
import { PanelFrame, type PanelName } from './PanelFrame';
import { PeoplePanel } from './PeoplePanel';
import { BoardPanel } from './BoardPanel';
import { RecordPanel } from './RecordPanel';
import { PromptCard } from './PromptCard';
import { Stage } from './Stage';
import { TopBar } from './TopBar';
import './room.css';
import './panels.css';

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
  const chat = useChat();
  const participants = useParticipants();
  const { localParticipant } = useLocalParticipant();
  const unread = useUnread(chat.chatMessages.length, panel === 'chat');
  const toggle = (name: PanelName) => setPanel(panel === name ? undefined : name);
  return (
    <div
      className={panel ? 'room room-frame room-with-panel' : 'room room-frame'}
      data-testid="room"
    >
      <TopBar lesson={lesson} visit={visit}>
        {isStaff && <ClassActions lesson={lesson} />}
      </TopBar>
      <div className="room-middle">
        <div className="room-pictures">
          <Banners visit={visit} lesson={lesson} />
          <Stage call={visit.call} isStaff={isStaff} />
        </div>
        {panel && (
          <PanelFrame
            panel={panel}
            isStaff={isStaff}
            unread={unread}
            people={participants.length}
            onChoose={setPanel}
          >
            {panel === 'chat' && <ChatPanel chat={chat} me={localParticipant.identity} />}
            {panel === 'people' && (
              <PeoplePanel lesson={lesson} participants={participants} isStaff={isStaff} />
            )}
            {panel === 'board' && <BoardPanel lesson={lesson} />}
            {panel === 'record' && <RecordPanel attendanceId={join.attendance_id} />}
          </PanelFrame>
        )}
      </div>
      <Controls
        visit={visit}
        isStaff={isStaff}
        panel={panel}
        unread={unread}
        hands={participants.filter((each) => each.attributes['hand'] === '1').length}
        onPanel={toggle}
      />
      <PromptCard prompts={visit.prompts} />
    </div>
  );
}

/** Messages that came while the chat was not shown. */
function useUnread(count: number, shown: boolean): number {
  const [seen, setSeen] = useState(count);
  // Adjusted while rendering, as React advises for state that follows a changed input.
  if (shown && seen !== count) setSeen(count);
  return shown ? 0 : Math.max(0, count - seen);
}
