import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { useParams } from 'wouter';
import { myCourses } from '../../api/library';
import { keys, queryClient } from '../../api/live';
import type { Play } from '../../api/types';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { unwrap } from '../../lib/result';
import { useStore } from '../../lib/store';
import { runningTime } from '../../lib/time';
import { Button, ButtonLink } from '../../ui/Button';
import { Icon } from '../../ui/Icon';
import { Empty, Notice, Skeleton } from '../../ui/State';
import { Controls } from './Controls';
import { createPlayback, type Playback } from './playback';
import { lessonAfter } from './progress';
import './player.css';

/** One lesson on demand; another lesson is another player. */
export default function Player() {
  const { id } = useParams<{ id: string }>();
  return <LessonPlayer key={id} id={id} />;
}

function LessonPlayer({ id }: { id: string }) {
  const [playback] = useState(() => createPlayback(id));
  useEffect(() => {
    playback.start();
    return () => {
      playback.close();
      void queryClient.invalidateQueries({ queryKey: keys.myCourses });
    };
  }, [playback]);
  return (
    <div className="player" data-testid="player">
      <Opened id={id} playback={playback} />
    </div>
  );
}

function Opened({ id, playback }: { id: string; playback: Playback }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const state = useStore(playback.state);
  switch (state.status) {
    case 'starting':
      return (
        <Page title={t('player.starting')}>
          <Skeleton label={t('player.starting')} />
        </Page>
      );
    case 'elsewhere':
      return (
        <Page title={t('player.elsewhere')}>
          <Empty
            icon="screen"
            title={t('player.elsewhere')}
            hint={t('player.elsewhereHint')}
            action={
              <Button
                look="primary"
                size="large"
                data-testid="take-over"
                onClick={() => playback.start(true)}
              >
                {t('player.takeOver')}
              </Button>
            }
          />
        </Page>
      );
    case 'failed':
    case 'ended': {
      const title = state.status === 'ended' ? t('player.ended') : t('player.failed');
      const reason = state.status === 'failed' ? state.reason : undefined;
      const hint = reason ? t(`player.${reason}`) : state.problem && problemText(state.problem);
      return (
        <Page title={title}>
          <Empty
            icon="alert"
            title={title}
            hint={hint}
            action={
              <Button look="primary" size="large" onClick={() => playback.start()}>
                {t('player.restart')}
              </Button>
            }
          />
        </Page>
      );
    }
    case 'open':
      return <Film key={state.play.playback_id} id={id} play={state.play} playback={playback} />;
  }
}

function Page({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <>
      <TopBar title={title} />
      <main className="page person player-page" role="status">
        {children}
      </main>
    </>
  );
}

function TopBar({ title }: { title: string }) {
  const { t } = useTranslation();
  return (
    <header className="player-top">
      <ButtonLink to="/study" look="plain" icon="left" data-testid="player-back">
        <span className="player-back">{t('player.toList')}</span>
      </ButtonLink>
      <h1>{title}</h1>
    </header>
  );
}

function Film({ id, play, playback }: { id: string; play: Play; playback: Playback }) {
  const { t } = useTranslation();
  const stage = useRef<HTMLDivElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const moment = useStore(playback.moment);
  useEffect(() => {
    if (video.current) playback.attach(video.current);
  }, [playback]);
  return (
    <>
      <TopBar title={play.title} />
      <main className="player-main">
        <div className="player-stage" ref={stage}>
          <video
            ref={video}
            playsInline
            disablePictureInPicture
            aria-label={play.title}
            data-testid="player-video"
            onClick={playback.toggle}
            {...playback.events}
          />
          {moment.soundOnly && (
            <div className="player-sound" aria-hidden="true">
              <Icon name="sound" size={64} />
            </div>
          )}
          {!moment.playing && !moment.waiting && (
            <button
              type="button"
              className="player-big"
              aria-label={t('player.play')}
              data-testid="player-big"
              onClick={playback.toggle}
            >
              <Icon name="play" size={44} />
            </button>
          )}
          {moment.waiting && <span className="player-spinner" aria-hidden="true" />}
        </div>
        <Controls play={play} playback={playback} stage={stage} />
        <State play={play} playback={playback} id={id} />
      </main>
    </>
  );
}

/** What goes on, in words: for eyes and for screen readers. */
function State({ play, playback, id }: { play: Play; playback: Playback; id: string }) {
  const { t } = useTranslation();
  const moment = useStore(playback.moment);
  const word = moment.waiting
    ? t('player.buffering')
    : moment.hidden
      ? t('player.hidden')
      : moment.playing
        ? t('player.playing')
        : moment.finished
          ? t('study.finished')
          : t('player.paused');
  return (
    <div className="player-state">
      <p role="status" data-testid="player-state">
        <strong>{word}</strong>
        <span className="figures">
          {t('player.watchedTo', { at: runningTime(moment.watchedMs / 1000) })}
        </span>
      </p>
      {moment.finished ? (
        <Finished id={id} />
      ) : (
        <p className="hint">
          {play.resume_ms > 0 && `${t('player.resumed')} `}
          {t('player.rule')}
        </p>
      )}
    </div>
  );
}

function Finished({ id }: { id: string }) {
  const { t } = useTranslation();
  const courses = useQuery({
    queryKey: keys.myCourses,
    queryFn: async () => unwrap(await myCourses()).items,
  });
  const next = lessonAfter(courses.data ?? [], id);
  return (
    <Notice
      tone="ok"
      role="status"
      title={t('player.finished')}
      action={
        next && (
          <ButtonLink to={`/study/${next.id}`} look="primary" icon="right">
            {t('player.next', { title: next.title })}
          </ButtonLink>
        )
      }
    >
      {t('player.finishedHint')}
    </Notice>
  );
}
