import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense, useEffect, useState } from 'react';
import { useParams } from 'wouter';
import { getLesson } from '../../api/calls';
import { keys } from '../../api/live';
import type { Lesson } from '../../api/types';
import { createVisit, type Visit } from '../../call/visit';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, unwrap } from '../../lib/result';
import { patiently } from '../../lib/patiently';
import { useStore } from '../../lib/store';
import { ButtonLink } from '../../ui/Button';
import { Empty, Skeleton } from '../../ui/State';
import { Over } from './Over';
import { Prejoin } from './Prejoin';
import './prejoin.css';

const loadRoom = () => patiently(() => import('./Room'));
const Room = lazy(loadRoom);

/** Events bring changes at once; this finds those that were missed. */
const REFETCH_MS = 15_000;

export default function Classroom() {
  const { id } = useParams<{ id: string }>();
  const { t } = useTranslation();
  const problemText = useProblemText();
  const [stay, setStay] = useState(0);
  const lesson = useQuery({
    queryKey: keys.lesson(id),
    queryFn: async () => unwrap(await getLesson(id)),
    refetchInterval: REFETCH_MS,
  });
  useEffect(() => {
    if (lesson.data) document.title = `${lesson.data.title} · ${t('app.name')}`;
  }, [lesson.data, t]);
  if (lesson.isPending) {
    return (
      <div className="page person">
        <Skeleton lines={5} label={t('app.loading')} />
      </div>
    );
  }
  if (!lesson.data) {
    return (
      <div className="page person">
        <Empty
          icon="alert"
          title={problemText(problemOf(lesson.error))}
          action={
            <ButtonLink to="/" look="primary">
              {t('app.toHome')}
            </ButtonLink>
          }
        />
      </div>
    );
  }
  return <Stay key={`${id} ${stay}`} lesson={lesson.data} onAgain={() => setStay(stay + 1)} />;
}

/** A visit lives as long as this view: made with it, left with it. */
function Stay({ lesson, onAgain }: { lesson: Lesson; onAgain: () => void }) {
  const [visit] = useState(() => createVisit(lesson.id));
  useEffect(() => {
    visit.prepare();
    void loadRoom();
    return visit.dispose;
  }, [visit]);
  return <Stages visit={visit} lesson={lesson} onAgain={onAgain} />;
}

function Stages(props: { visit: Visit; lesson: Lesson; onAgain: () => void }) {
  const { visit, lesson, onAgain } = props;
  const { t } = useTranslation();
  const state = useStore(visit.call.state);
  switch (state.status) {
    case 'idle':
    case 'joining':
      return <Prejoin visit={visit} lesson={lesson} joining={state.status === 'joining'} />;
    case 'connected':
    case 'reconnecting':
      return (
        <Suspense fallback={<Skeleton label={t('app.loading')} />}>
          <Room visit={visit} lesson={lesson} join={state.join} />
        </Suspense>
      );
    case 'over':
      return <Over ending={state.ending} lesson={lesson} visit={visit} onAgain={onAgain} />;
  }
}
