import { useMutation } from '@tanstack/react-query';
import { useEffect, useRef, useState, type SyntheticEvent } from 'react';
import { exportChat, sendMessage } from '../../api/calls';
import { keys, queryClient, withMessage } from '../../api/live';
import type { ChatMessage, Lesson } from '../../api/types';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { saveFile } from '../../lib/csv';
import { problemOf, unwrap } from '../../lib/result';
import { clockTime } from '../../lib/time';
import { Icon } from '../../ui/Icon';
import { Empty, StateTag } from '../../ui/State';
import { tell } from '../../ui/toasts';

/** Characters in one message; the server holds the same bound. */
const LENGTH_MAX = 500;

interface Props {
  lesson: Lesson;
  messages: ChatMessage[];
  me: string;
}

export function ChatPanel({ lesson, messages, me }: Props) {
  const { t } = useTranslation();
  const end = useRef<HTMLDivElement>(null);
  const isStaff = lesson.my_role !== 'learner';
  useEffect(() => {
    end.current?.scrollIntoView({ block: 'end' });
  }, [messages.length]);
  return (
    <div className="chat">
      <div className="chat-list" role="log" aria-label={t('chat.messages')} tabIndex={0}>
        {messages.length === 0 && (
          <Empty icon="chat" title={t('chat.empty')} hint={t('chat.emptyHint')} />
        )}
        {messages.map((message) => (
          <Message key={message.id} message={message} mine={message.account_id === me} />
        ))}
        <div ref={end} />
      </div>
      <div>
        {isStaff && messages.length > 0 && <Export lesson={lesson} />}
        <ChatForm lesson={lesson} />
      </div>
    </div>
  );
}

function Message({ message, mine }: { message: ChatMessage; mine: boolean }) {
  const { t, i18n } = useTranslation();
  return (
    <article
      className={mine ? 'message message-mine' : 'message'}
      data-testid="chat-message"
      data-held={message.held}
    >
      <header>
        <strong>{mine ? t('room.me') : message.name}</strong>
        <time className="figures">{clockTime(message.sent_at, i18n.language)}</time>
      </header>
      <p>{message.text}</p>
      {message.held && (
        <StateTag tone="waiting">{mine ? t('chat.heldMine') : t('chat.held')}</StateTag>
      )}
      {message.reach === 'staff' && <StateTag tone="neutral">{t('chat.staffOnly')}</StateTag>}
    </article>
  );
}

function Export({ lesson }: { lesson: Lesson }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const save = useMutation({
    mutationFn: async () => unwrap(await exportChat(lesson.id)),
    onSuccess: (table) => saveFile(`${lesson.title} ${t('room.chat')}.csv`, table),
    onError: (error) => tell('refused', problemText(problemOf(error))),
  });
  return (
    <button
      type="button"
      className="chat-export"
      disabled={save.isPending}
      data-testid="chat-export"
      onClick={() => save.mutate()}
    >
      <Icon name="download" size={16} />
      {t('chat.export')}
    </button>
  );
}

function ChatForm({ lesson }: { lesson: Lesson }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const [words, setWords] = useState('');
  const isHushed = lesson.hushed === true && lesson.my_role === 'learner';
  const placeholder = isHushed ? t('chat.hushed') : t('chat.placeholder');
  const send = useMutation({
    mutationFn: async (text: string) => unwrap(await sendMessage(lesson.id, text)),
    onSuccess: (message) => {
      queryClient.setQueryData<ChatMessage[]>(keys.chat(lesson.id), (known) =>
        withMessage(known ?? [], message),
      );
    },
    onError: (error, text) => {
      setWords((now) => (now === '' ? text : now));
      tell('refused', problemText(problemOf(error)));
    },
  });
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    const text = words.trim();
    if (text === '' || send.isPending) return;
    setWords('');
    send.mutate(text);
  };
  return (
    <form className="chat-form" onSubmit={submit}>
      <input
        data-testid="chat-input"
        aria-label={placeholder}
        placeholder={placeholder}
        disabled={isHushed}
        maxLength={LENGTH_MAX}
        autoComplete="off"
        value={words}
        onChange={(event) => setWords(event.target.value)}
      />
      <button
        type="submit"
        data-testid="chat-send"
        aria-label={t('chat.send')}
        disabled={words.trim() === '' || send.isPending}
      >
        <Icon name="send" />
      </button>
    </form>
  );
}
