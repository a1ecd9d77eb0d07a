import { useQuery } from '@tanstack/react-query';
import { useEffect, useState, type SyntheticEvent } from 'react';
import { Redirect } from 'wouter';
import { useHistoryState } from 'wouter/use-browser-location';
import { serverInfo } from '../../api/calls';
import { client } from '../../api/client';
import { keys } from '../../api/live';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { unwrap } from '../../lib/result';
import { useStore } from '../../lib/store';
import { Button } from '../../ui/Button';
import { Field } from '../../ui/Field';
import { Icon, Mark } from '../../ui/Icon';
import { Preferences } from '../../ui/Preferences';
import { Notice } from '../../ui/State';
import './sign-in.css';

const DEMO_ACCOUNTS = ['teacher', 'learner1', 'learner2', 'learner3', 'officer', 'admin'];

export default function SignIn() {
  const { t } = useTranslation();
  const session = useStore(client.session);
  const from = useHistoryState<{ wanted?: string } | null>();
  useEffect(() => {
    document.title = `${t('signIn.title')} · ${t('app.name')}`;
  }, [t]);
  if (session.status === 'signed_in') {
    return <Redirect to={from?.wanted ?? '/'} replace />;
  }
  return (
    <div className="sign-in person">
      <aside className="sign-in-hall" aria-hidden="true">
        <Hall />
        <p className="sign-in-name">{t('app.name')}</p>
        <p className="sign-in-tagline">{t('app.tagline')}</p>
      </aside>
      <main className="sign-in-main">
        <div className="sign-in-preferences">
          <Preferences />
        </div>
        <div className="sign-in-box">
          <div className="sign-in-brand">
            <Mark size={48} />
            <h1>{t('app.name')}</h1>
            <p>{t('signIn.lead')}</p>
          </div>
          <SignInForm />
          <p className="sign-in-help">{t('signIn.help')}</p>
        </div>
      </main>
    </div>
  );
}

function SignInForm() {
  const { t } = useTranslation();
  const problemText = useProblemText();
  const server = useQuery({
    queryKey: keys.server,
    queryFn: async () => unwrap(await serverInfo()),
    staleTime: Infinity,
  });
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [shown, setShown] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();

  const enter = async () => {
    if (username.trim() === '' || password === '') {
      setError(t('signIn.missing'));
      return;
    }
    setBusy(true);
    setError(undefined);
    const result = await client.signIn(username.trim(), password);
    setBusy(false);
    if (!result.ok) setError(problemText(result.error));
  };
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    void enter();
  };

  return (
    <form className="form" onSubmit={submit} noValidate>
      {error !== undefined && (
        <Notice tone="refused" role="alert">
          {error}
        </Notice>
      )}
      <Field
        label={t('signIn.username')}
        data-testid="login-username"
        name="username"
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        value={username}
        onChange={(event) => setUsername(event.target.value)}
      />
      <Field
        label={t('signIn.password')}
        data-testid="login-password"
        name="password"
        type={shown ? 'text' : 'password'}
        autoComplete="current-password"
        value={password}
        onChange={(event) => setPassword(event.target.value)}
        trailing={
          <button
            type="button"
            className="field-button"
            aria-label={shown ? t('signIn.hide') : t('signIn.show')}
            onClick={() => setShown(!shown)}
          >
            <Icon name={shown ? 'eyeOff' : 'eye'} size={22} />
          </button>
        }
      />
      {server.data?.demo === true && <Demo onChoose={setUsername} chosen={username} />}
      <div className="sign-in-submit">
        <Button
          type="submit"
          look="primary"
          size="large"
          wide
          busy={busy}
          data-testid="login-submit"
        >
          {busy ? t('signIn.submitting') : t('signIn.submit')}
        </Button>
      </div>
    </form>
  );
}

function Demo(props: { onChoose: (username: string) => void; chosen: string }) {
  const { t } = useTranslation();
  return (
    <section className="demo" data-testid="demo-hint" aria-label={t('signIn.demo')}>
      <strong>{t('signIn.demo')}</strong>
      <p>{t('signIn.demoHint')}</p>
      <div className="demo-accounts">
        {DEMO_ACCOUNTS.map((account) => (
          <button
            key={account}
            type="button"
            className="chip"
            aria-pressed={props.chosen === account}
            onClick={() => props.onChoose(account)}
          >
            {account}
          </button>
        ))}
      </div>
    </section>
  );
}

/** A hall in lines: the roof under which all meet. */
function Hall() {
  return (
    <svg className="hall" viewBox="0 0 400 420" preserveAspectRatio="xMidYMax slice">
      <g fill="none" strokeWidth="2">
        <path d="M20 170 200 60l180 110M60 178h280M40 170h320M100 110l100-62 100 62" />
        <path d="M70 190v190M122 190v190M174 190v190M226 190v190M278 190v190M330 190v190" />
        <path d="M50 380h300M36 394h328M22 408h356" />
        <path d="M174 300a26 26 0 0 1 52 0v80" />
      </g>
    </svg>
  );
}
