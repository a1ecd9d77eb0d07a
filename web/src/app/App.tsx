import { QueryClientProvider } from '@tanstack/react-query';
import { lazy, Suspense, useEffect } from 'react';
import { Redirect, Route, Switch, useLocation, useSearch } from 'wouter';
import { client } from '../api/client';
import { queryClient } from '../api/live';
import { loadDeskTexts, loadFaceTexts, loadRedressTexts, loadStudyTexts } from '../i18n';
import { useTranslation } from '../i18n/useText';
import { useStore } from '../lib/store';
import { patiently } from '../lib/patiently';
import { Boundary } from '../ui/Boundary';
import { Button, ButtonLink } from '../ui/Button';
import { Empty, Skeleton } from '../ui/State';
import { Toasts } from '../ui/toasts';
import { Header } from './Header';

const SignIn = lazy(() => patiently(() => import('../features/session/SignIn')));
const loadHome = () => patiently(() => import('../features/home/Home'));
const loadClassroom = () => patiently(() => import('../features/classroom/Classroom'));
const Home = lazy(loadHome);
const Classroom = lazy(loadClassroom);
const MyRecord = lazy(async () => {
  const [page] = await Promise.all([
    patiently(() => import('../features/attendance/MyRecord')),
    patiently(loadRedressTexts),
  ]);
  return page;
});
const Verify = lazy(async () => {
  const [page] = await Promise.all([
    patiently(() => import('../features/attendance/Verify')),
    patiently(loadRedressTexts),
  ]);
  return page;
});
const FacePage = lazy(async () => {
  const [page] = await Promise.all([
    patiently(() => import('../features/face/FacePage')),
    patiently(loadFaceTexts),
  ]);
  return page;
});
const MyCourses = lazy(() => withStudyTexts(() => import('../features/ondemand/MyCourses')));
const Player = lazy(() => withStudyTexts(() => import('../features/ondemand/Player')));
const Desk = lazy(async () => {
  const [page] = await Promise.all([
    patiently(() => import('../features/admin/Desk')),
    patiently(loadDeskTexts),
  ]);
  return page;
});

/** A page of lessons on demand, with its texts. */
async function withStudyTexts<T>(load: () => Promise<T>): Promise<T> {
  const [page] = await Promise.all([patiently(load), patiently(loadStudyTexts)]);
  return page;
}

/** The way into a class is fetched ahead, while somebody types a password or reads the page. */
const AHEAD_AFTER_MS = 1000;

export function App() {
  useEffect(() => {
    const timer = setTimeout(() => {
      for (const load of [loadHome, loadClassroom]) load().catch(() => undefined);
    }, AHEAD_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <Boundary fallback={() => <Crashed />}>
      <QueryClientProvider client={queryClient}>
        <Switch>
          <Route path="/sign-in">
            <Waiting page={<SignIn />} />
          </Route>
          <Route path="/verify/:id">
            <Waiting page={<Verify />} />
          </Route>
          <Route path="/lessons/:id">
            <SignedIn page={<Waiting page={<Classroom />} />} />
          </Route>
          <Route path="/study/:id">
            <SignedIn page={<Waiting page={<Player />} />} />
          </Route>
          <Route>
            <SignedIn page={<Page />} />
          </Route>
        </Switch>
        <Toasts />
      </QueryClientProvider>
    </Boundary>
  );
}

/** A fault in a view becomes a page that says how to go on. */
function Crashed() {
  const { t } = useTranslation();
  return (
    <div className="page person">
      <Empty
        icon="alert"
        title={t('app.crashed')}
        hint={t('app.crashedHint')}
        action={
          <Button look="primary" onClick={() => window.location.reload()}>
            {t('app.reload')}
          </Button>
        }
      />
    </div>
  );
}

function Waiting({ page }: { page: React.ReactNode }) {
  const { t } = useTranslation();
  return (
    <Suspense
      fallback={
        <div className="page person">
          <Skeleton label={t('app.loading')} />
        </div>
      }
    >
      {page}
    </Suspense>
  );
}

/** Pages that need somebody; others are led to the sign-in page and back. */
function SignedIn({ page }: { page: React.ReactNode }) {
  const { t } = useTranslation();
  const session = useStore(client.session);
  const [path] = useLocation();
  const search = useSearch();
  if (session.status === 'starting') {
    return (
      <div className="page person">
        <Skeleton lines={5} label={t('app.loading')} />
      </div>
    );
  }
  if (session.status === 'away') return <Away />;
  if (session.status === 'anonymous') {
    const wanted = search === '' ? path : `${path}?${search}`;
    return <Redirect to="/sign-in" replace state={{ wanted }} />;
  }
  return page;
}

/** Milliseconds between attempts to reach the server again. */
const KNOCK_MS = 3000;

/** The server does not answer at the start: nobody is asked to sign in because of that. */
function Away() {
  const { t } = useTranslation();
  useEffect(() => {
    const timer = setInterval(() => void client.refresh(), KNOCK_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <div className="page person" role="alert" data-testid="away">
      <Empty
        icon="signal"
        title={t('app.away')}
        hint={t('app.awayHint')}
        action={
          <Button look="primary" onClick={() => void client.refresh()}>
            {t('app.retry')}
          </Button>
        }
      />
    </div>
  );
}

function Page() {
  const { t } = useTranslation();
  const [path] = useLocation();
  useEffect(() => {
    window.scrollTo(0, 0);
    document.title = t('app.name');
  }, [path, t]);
  return (
    <>
      <a className="skip" href="#main">
        {t('app.skip')}
      </a>
      <Header />
      <main id="main">
        <Waiting page={<Pages />} />
      </main>
    </>
  );
}

function Pages() {
  return (
    <Switch>
      <Route path="/">
        <Home />
      </Route>
      <Route path="/record">
        <MyRecord />
      </Route>
      <Route path="/face">
        <FacePage />
      </Route>
      <Route path="/study">
        <MyCourses />
      </Route>
      <Route path="/desk/*?">
        <Desk />
      </Route>
      <Route>
        <NotFound />
      </Route>
    </Switch>
  );
}

function NotFound() {
  const { t } = useTranslation();
  return (
    <div className="page person">
      <Empty
        icon="question"
        title={t('app.notFound')}
        hint={t('app.notFoundHint')}
        action={
          <ButtonLink to="/" look="primary">
            {t('app.toHome')}
          </ButtonLink>
        }
      />
    </div>
  );
}
