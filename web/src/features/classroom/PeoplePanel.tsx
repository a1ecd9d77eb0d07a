import { useMutation } from '@tanstack/react-query';
import type { Participant } from 'livekit-client';
import { useState } from 'react';
import { removeFromLesson } from '../../api/calls';
import type { Lesson } from '../../api/types';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, unwrap } from '../../lib/result';
import { Avatar } from '../../ui/Avatar';
import { Confirm } from '../../ui/Dialog';
import { Icon } from '../../ui/Icon';
import { tell } from '../../ui/toasts';
import { ConnectionQualityIndicator } from './Quality';

interface Props {
  lesson: Lesson;
  participants: Participant[];
  isStaff: boolean;
}

const isRaised = (person: Participant) => person.attributes['hand'] === '1';
const isTeacher = (person: Participant) => person.attributes['role'] === 'teacher';

/** Who is here; raised hands come first. */
export function PeoplePanel({ lesson, participants, isStaff }: Props) {
  const { t } = useTranslation();
  const [leaving, setLeaving] = useState<Participant>();
  const groups = [
    { title: t('people.raised'), people: participants.filter(isRaised) },
    {
      title: t('people.staff'),
      people: participants.filter((each) => !isRaised(each) && isTeacher(each)),
    },
    {
      title: t('people.learners'),
      people: participants.filter((each) => !isRaised(each) && !isTeacher(each)),
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
                <Person
                  key={person.identity}
                  person={person}
                  onRemove={
                    isStaff && !person.isLocal && !isTeacher(person)
                      ? () => setLeaving(person)
                      : undefined
                  }
                />
              ))}
            </ul>
          </section>
        ))}
      {leaving && <Remove lesson={lesson} person={leaving} onClose={() => setLeaving(undefined)} />}
    </div>
  );
}

function Person({ person, onRemove }: { person: Participant; onRemove?: () => void }) {
  const { t } = useTranslation();
  const name = person.name || person.identity;
  return (
    <li data-testid="person" data-identity={person.identity}>
      <Avatar name={name} />
      <span className="people-name">{person.isLocal ? t('room.you', { name }) : name}</span>
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
      {onRemove && (
        <button
          type="button"
          className="people-remove"
          aria-label={`${t('people.remove')}: ${name}`}
          title={t('people.remove')}
          data-testid="person-remove"
          onClick={onRemove}
        >
          <Icon name="removePerson" size={18} />
        </button>
      )}
    </li>
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
