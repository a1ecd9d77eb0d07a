import { useMutation } from '@tanstack/react-query';
import type { Participant } from 'livekit-client';
import { useState, type ReactNode } from 'react';
import { giveFloor, removeFromLesson } from '../../api/calls';
import type { Lesson } from '../../api/types';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, unwrap } from '../../lib/result';
import { Avatar } from '../../ui/Avatar';
import { Button } from '../../ui/Button';
import { Confirm } from '../../ui/Dialog';
import { Icon } from '../../ui/Icon';
import { tell } from '../../ui/toasts';
import { hasFloor, isRaised, isStaffRole } from './attributes';
import { ConnectionQualityIndicator } from './Quality';

interface Props {
  lesson: Lesson;
  participants: Participant[];
  isStaff: boolean;
}

/** Who is here; who speaks and who wants to come first. */
export default function PeoplePanel({ lesson, participants, isStaff }: Props) {
  const { t } = useTranslation();
  const [leaving, setLeaving] = useState<Participant>();
  const quiet = participants.filter((each) => !hasFloor(each));
  const groups = [
    { title: t('people.floor'), people: participants.filter(hasFloor) },
    { title: t('people.raised'), people: quiet.filter(isRaised) },
    {
      title: t('people.staff'),
      people: quiet.filter((each) => !isRaised(each) && isStaffRole(each)),
    },
    {
      title: t('people.learners'),
      people: quiet.filter((each) => !isRaised(each) && !isStaffRole(each)),
    },
  ];
  return (
    <div className="people" data-testid="people-list">
      {groups
        .filter((group) => group.people.length > 0)
        .map((group) => (
          <section key={group.title}>
            <h2>
              {group.title} <span className="figures">{group.people.length}</span>
            </h2>
            <ul>
              {group.people.map((person) => (
                <Person key={person.identity} person={person}>
                  {isStaff && !person.isLocal && !isStaffRole(person) && (
                    <>
                      <Floor lesson={lesson} person={person} />
                      <RemoveButton person={person} onClick={() => setLeaving(person)} />
                    </>
                  )}
                </Person>
              ))}
            </ul>
          </section>
        ))}
      {leaving && <Remove lesson={lesson} person={leaving} onClose={() => setLeaving(undefined)} />}
    </div>
  );
}

function Person({ person, children }: { person: Participant; children: ReactNode }) {
  const { t } = useTranslation();
  const name = person.name || person.identity;
  return (
    <li data-testid="person" data-identity={person.identity}>
      <Avatar name={name} />
      <div className="people-words">
        <span className="people-name">{person.isLocal ? t('room.you', { name }) : name}</span>
        <Signs person={person} />
      </div>
      {children}
    </li>
  );
}

/** Hand, microphone, camera and connection of one person. */
function Signs({ person }: { person: Participant }) {
  const { t } = useTranslation();
  return (
    <div className="people-signs">
      {isRaised(person) && (
        <span className="people-hand" role="img" aria-label={t('room.handRaised')}>
          <Icon name="hand" />
        </span>
      )}
      <span
        className={person.isMicrophoneEnabled ? 'people-on' : 'people-off'}
        role="img"
        aria-label={person.isMicrophoneEnabled ? t('room.microphoneOn') : t('room.microphoneOff')}
      >
        <Icon name={person.isMicrophoneEnabled ? 'microphone' : 'microphoneOff'} size={18} />
      </span>
      <span
        className={person.isCameraEnabled ? 'people-on' : 'people-off'}
        role="img"
        aria-label={person.isCameraEnabled ? t('room.cameraOn') : t('room.cameraOff')}
      >
        <Icon name={person.isCameraEnabled ? 'camera' : 'cameraOff'} size={18} />
      </span>
      <ConnectionQualityIndicator participant={person} />
    </div>
  );
}

/** Calls on a learner, or ends their turn. */
function Floor({ lesson, person }: { lesson: Lesson; person: Participant }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const given = hasFloor(person);
  const name = person.name || person.identity;
  const change = useMutation({
    mutationFn: async () => unwrap(await giveFloor(lesson.id, person.identity, !given)),
    onSuccess: () => tell('ok', t(given ? 'people.floorTaken' : 'people.floorGiven', { name })),
    onError: (error) => tell('refused', problemText(problemOf(error))),
  });
  const text = t(given ? 'people.takeFloor' : 'people.giveFloor');
  return (
    <Button
      size="small"
      look={given ? 'primary' : 'quiet'}
      className="people-floor"
      aria-label={`${text}: ${name}`}
      busy={change.isPending}
      data-testid="person-floor"
      data-given={given}
      onClick={() => change.mutate()}
    >
      {text}
    </Button>
  );
}

function RemoveButton({ person, onClick }: { person: Participant; onClick: () => void }) {
  const { t } = useTranslation();
  return (
    <button
      type="button"
      className="people-remove"
      aria-label={`${t('people.remove')}: ${person.name || person.identity}`}
      title={t('people.remove')}
      data-testid="person-remove"
      onClick={onClick}
    >
      <Icon name="removePerson" size={18} />
    </button>
  );
}

function Remove(props: { lesson: Lesson; person: Participant; onClose: () => void }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const name = props.person.name ?? props.person.identity;
  const remove = useMutation({
    mutationFn: async () => unwrap(await removeFromLesson(props.lesson.id, props.person.identity)),
    onSuccess: () => tell('ok', t('people.removed', { name })),
    onError: (error) => tell('refused', problemText(problemOf(error))),
    onSettled: props.onClose,
  });
  return (
    <Confirm
      title={t('people.removeTitle', { name })}
      text={t('people.removeText')}
      confirm={t('people.remove')}
      danger
      busy={remove.isPending}
      onConfirm={() => remove.mutate()}
      onClose={props.onClose}
    />
  );
}
