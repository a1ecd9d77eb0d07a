import { useState, type SyntheticEvent } from 'react';
import { changePassword } from '../api/calls';
import { useProblemText, useTranslation } from '../i18n/useText';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Field } from '../ui/Field';
import { Notice } from '../ui/State';
import { tell } from '../ui/toasts';

const LENGTH_MIN = 8;

interface Words {
  old: string;
  next: string;
  again: string;
}

function faultOf(words: Words): 'password.tooShort' | 'password.different' | undefined {
  if (words.next.length < LENGTH_MIN) return 'password.tooShort';
  return words.next === words.again ? undefined : 'password.different';
}

export default function ChangePassword({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const [words, setWords] = useState<Words>({ old: '', next: '', again: '' });
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);

  const save = async () => {
    const fault = faultOf(words);
    if (fault !== undefined) {
      setError(t(fault));
      return;
    }
    setBusy(true);
    const result = await changePassword(words.old, words.next);
    setBusy(false);
    if (result.ok) {
      tell('ok', t('password.done'));
      onClose();
    } else {
      setError(problemText(result.error));
    }
  };
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    void save();
  };

  return (
    <Dialog title={t('password.title')} onClose={onClose}>
      <form className="form" onSubmit={submit}>
        {error !== undefined && (
          <Notice tone="refused" role="alert">
            {error}
          </Notice>
        )}
        <Field
          label={t('password.old')}
          type="password"
          autoComplete="current-password"
          value={words.old}
          onChange={(event) => setWords({ ...words, old: event.target.value })}
        />
        <Field
          label={t('password.new')}
          hint={t('password.rule')}
          type="password"
          autoComplete="new-password"
          value={words.next}
          onChange={(event) => setWords({ ...words, next: event.target.value })}
        />
        <Field
          label={t('password.repeat')}
          type="password"
          autoComplete="new-password"
          value={words.again}
          onChange={(event) => setWords({ ...words, again: event.target.value })}
        />
        <Button type="submit" look="primary" busy={busy} wide>
          {t('app.save')}
        </Button>
      </form>
    </Dialog>
  );
}
