import type { useChat } from '@livekit/components-react';
import { useEffect, useRef, useState, type SyntheticEvent } from 'react';
import { useTranslation } from '../../i18n/useText';
import { clockTime } from '../../lib/time';
import { Icon } from '../../ui/Icon';
import { Empty } from '../../ui/State';
import { tell } from '../../ui/toasts';

type Chat = ReturnType<typeof useChat>;

/** Characters in one message; a lesson's chat is for sentences. */
const LENGTH_MAX = 500;

export function ChatPanel({ chat, me }: { chat: Chat; me: string }) {
  const { t, i18n } = useTranslation();
  const { chatMessages } = chat;
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    end.current?.scrollIntoView({ block: 'end' });
  }, [chatMessages.length]);
  return (
    <div className="chat">
      <div className="chat-list" role="log" aria-label={t('chat.messages')} tabIndex={0}>
        {chatMessages.length === 0 && (
          <Empty icon="chat" title={t('chat.empty')} hint={t('chat.emptyHint')} />
        )}
        {chatMessages.map((message) => {
          const mine = message.from?.identity === me;
          const name = message.from?.name ?? '';
          return (
            <article
              key={message.id}
              className={mine ? 'message message-mine' : 'message'}
              data-testid="chat-message"
            >
              <header>
                <strong>{mine ? t('room.me') : name}</strong>
                <time className="figures">
                  {clockTime(new Date(message.timestamp).toISOString(), i18n.language)}
                </time>
              </header>
              <p>{message.message}</p>
            </article>
          );
        })}
        <div ref={end} />
      </div>
      <ChatForm chat={chat} />
    </div>
  );
}

function ChatForm({ chat }: { chat: Chat }) {
  const { t } = useTranslation();
  const [words, setWords] = useState('');
  const send = async () => {
    const message = words.trim();
    if (message === '') return;
    setWords('');
    try {
      await chat.send(message);
    } catch {
      setWords(message);
      tell('refused', t('chat.failed'));
    }
  };
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    void send();
  };
  return (
    <form className="chat-form" onSubmit={submit}>
      <input
        data-testid="chat-input"
        aria-label={t('chat.placeholder')}
        placeholder={t('chat.placeholder')}
        maxLength={LENGTH_MAX}
        autoComplete="off"
        value={words}
        onChange={(event) => setWords(event.target.value)}
      />
      <button
        type="submit"
        data-testid="chat-send"
        aria-label={t('chat.send')}
        disabled={words.trim() === ''}
      >
        <Icon name="send" />
      </button>
    </form>
  );
}
