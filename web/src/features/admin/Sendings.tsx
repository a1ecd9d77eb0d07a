import { Button, Progress, Space } from 'antd';
import { useEffect } from 'react';
import { keys, queryClient } from '../../api/live';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { useStore } from '../../lib/store';
import { sizeText } from './filmText';
import { cancel, goOn, pause, sendings, type Sending } from './uploads';

/** What this page sends, with the reason where it stopped. */
export function Sendings() {
  const shown = useStore(sendings);
  const known = shown.filter((sending) => sending.id !== undefined).length;
  useEffect(() => {
    void queryClient.invalidateQueries({ queryKey: keys.films });
  }, [known]);
  if (shown.length === 0) return null;
  return (
    <ul className="desk-sendings" data-testid="sendings">
      {shown.map((sending, index) => (
        <One key={sending.id ?? index} sending={sending} />
      ))}
    </ul>
  );
}

function One({ sending }: { sending: Sending }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const percent = Math.floor((sending.sent / Math.max(1, sending.length)) * 100);
  const status = sending.state === 'failed' ? 'exception' : 'normal';
  return (
    <li data-testid="sending" data-state={sending.state}>
      <div className="desk-sending-words">
        <strong>{sending.title}</strong>
        <span className="figures">
          {sending.state === 'paused' && `${t('films.paused')} · `}
          {t('films.sent', { sent: sizeText(sending.sent), of: sizeText(sending.length) })}
        </span>
      </div>
      <Progress percent={percent} status={status} aria-label={sending.title} />
      {sending.problem && (
        <p className="desk-sending-problem" role="alert">
          {problemText(sending.problem)}
        </p>
      )}
      <Space>
        {sending.state === 'sending' ? (
          <Button size="small" data-testid="sending-pause" onClick={() => pause(sending)}>
            {t('films.pause')}
          </Button>
        ) : (
          <Button size="small" type="primary" onClick={() => goOn(sending)}>
            {t('films.resume')}
          </Button>
        )}
        <Button size="small" danger onClick={() => void cancel(sending)}>
          {t('films.cancel')}
        </Button>
      </Space>
    </li>
  );
}
