import { useIsRecording } from '@livekit/components-react';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import {
  actOnLesson,
  askPresence,
  muteAll,
  setInteraction,
  type LessonAction,
} from '../../api/calls';
import { keys, queryClient } from '../../api/live';
import { orderRecording, type RecordingAction } from '../../api/recordings';
import type { Lesson } from '../../api/types';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, unwrap } from '../../lib/result';
import { Button } from '../../ui/Button';
import { Confirm } from '../../ui/Dialog';
import { tell } from '../../ui/toasts';
import { ChooseQuestion, CreatePoll } from './AskClass';

type Asking = 'end' | 'check' | 'question' | 'poll' | undefined;

interface Props {
  lesson: Lesson;
  /** Something was put to the class: its count is worth a look. */
  onAsked: () => void;
}

/** What a teacher does with the whole class. */
export default function ClassActions({ lesson, onAsked }: Props) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const [asking, setAsking] = useState<Asking>();
  const onError = (error: unknown) => tell('refused', problemText(problemOf(error)));
  const act = useMutation({
    mutationFn: async (action: LessonAction) => unwrap(await actOnLesson(lesson.id, action)),
    onSuccess: (changed) => {
      queryClient.setQueryData(keys.lesson(lesson.id), changed);
      void queryClient.invalidateQueries({ queryKey: keys.lessons });
    },
    onError,
  });
  const mute = useMutation({
    mutationFn: async () => unwrap(await muteAll(lesson.id)),
    onSuccess: () => tell('ok', t('actions.mutedAll')),
    onError,
  });
  const hush = useMutation({
    mutationFn: async (allowed: boolean) => unwrap(await setInteraction(lesson.id, allowed)),
    onSuccess: (changed) => queryClient.setQueryData(keys.lesson(lesson.id), changed),
    onError,
  });
  const isHushed = lesson.hushed === true;
  const isLive = lesson.state === 'live';
  const isBreak = lesson.state === 'break';
  return (
    <div className="class-actions" role="toolbar" aria-label={t('actions.label')}>
      <Button
        size="small"
        icon="bell"
        disabled={!isLive}
        data-testid="lesson-check"
        onClick={() => setAsking('check')}
      >
        {t('actions.check')}
      </Button>
      <Button
        size="small"
        icon="question"
        disabled={!isLive}
        data-testid="lesson-question"
        onClick={() => setAsking('question')}
      >
        {t('actions.question')}
      </Button>
      <Button
        size="small"
        icon="poll"
        disabled={!isLive && !isBreak}
        data-testid="lesson-poll"
        onClick={() => setAsking('poll')}
      >
        {t('actions.poll')}
      </Button>
      <Button
        size="small"
        icon="microphoneOff"
        busy={mute.isPending}
        data-testid="lesson-mute-all"
        onClick={() => mute.mutate()}
      >
        {t('actions.muteAll')}
      </Button>
      <RecordButton lesson={lesson} disabled={!isLive && !isBreak} />
      <Button
        size="small"
        look={isHushed ? 'primary' : 'quiet'}
        icon="chatOff"
        disabled={!isLive && !isBreak}
        busy={hush.isPending}
        aria-pressed={isHushed}
        data-testid="lesson-hush"
        onClick={() => hush.mutate(isHushed)}
      >
        {isHushed ? t('actions.unhush') : t('actions.hush')}
      </Button>
      <Button
        size="small"
        look={isBreak ? 'primary' : 'quiet'}
        icon={isBreak ? 'play' : 'pause'}
        disabled={!isLive && !isBreak}
        busy={act.isPending && act.variables !== 'end'}
        data-testid={isBreak ? 'lesson-resume' : 'lesson-break'}
        onClick={() => act.mutate(isBreak ? 'resume' : 'break')}
      >
        {isBreak ? t('actions.resume') : t('actions.break')}
      </Button>
      <Button
        size="small"
        look="danger"
        icon="stop"
        data-testid="lesson-end"
        onClick={() => setAsking('end')}
      >
        {t('actions.end')}
      </Button>
      {asking === 'end' && (
        <Confirm
          title={t('actions.endTitle')}
          text={t('actions.endText')}
          confirm={t('actions.end')}
          danger
          busy={act.isPending}
          onConfirm={() => act.mutate('end', { onSettled: () => setAsking(undefined) })}
          onClose={() => setAsking(undefined)}
        />
      )}
      {asking === 'check' && <AskPresence lesson={lesson} onClose={() => setAsking(undefined)} />}
      {asking === 'question' && (
        <ChooseQuestion lesson={lesson} onAsked={onAsked} onClose={() => setAsking(undefined)} />
      )}
      {asking === 'poll' && (
        <CreatePoll lesson={lesson} onAsked={onAsked} onClose={() => setAsking(undefined)} />
      )}
    </div>
  );
}

/** Begins or ends the recording; everybody sees that it runs. */
function RecordButton({ lesson, disabled }: { lesson: Lesson; disabled: boolean }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const isRecorded = useIsRecording();
  const [asking, setAsking] = useState(false);
  const order = useMutation({
    mutationFn: async (action: RecordingAction) => unwrap(await orderRecording(lesson.id, action)),
    onSuccess: (_, action) =>
      tell('ok', t(action === 'start' ? 'actions.recordStarted' : 'actions.recordStopped')),
    onError: (error) => tell('refused', problemText(problemOf(error))),
    onSettled: () => setAsking(false),
  });
  return (
    <>
      <Button
        size="small"
        icon={isRecorded ? 'stop' : 'camera'}
        disabled={disabled}
        busy={order.isPending}
        data-testid={isRecorded ? 'lesson-record-stop' : 'lesson-record'}
        onClick={() => (isRecorded ? setAsking(true) : order.mutate('start'))}
      >
        {isRecorded ? t('actions.recordStop') : t('actions.record')}
      </Button>
      {asking && (
        <Confirm
          title={t('actions.recordStopTitle')}
          text={t('actions.recordStopText')}
          confirm={t('actions.recordStop')}
          danger
          busy={order.isPending}
          onConfirm={() => order.mutate('stop')}
          onClose={() => setAsking(false)}
        />
      )}
    </>
  );
}

interface AskProps {
  lesson: Lesson;
  onClose: () => void;
}

function AskPresence({ lesson, onClose }: AskProps) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const ask = useMutation({
    mutationFn: async () => unwrap(await askPresence(lesson.id)),
    onSuccess: ({ asked }) => tell('ok', t('actions.asked', { n: asked })),
    onError: (error) => tell('refused', problemText(problemOf(error))),
    onSettled: onClose,
  });
  return (
    <Confirm
      title={t('actions.checkTitle')}
      text={t('actions.checkText')}
      confirm={t('actions.check')}
      busy={ask.isPending}
      onConfirm={() => ask.mutate()}
      onClose={onClose}
    />
  );
}
