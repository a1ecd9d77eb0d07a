import { QueryClientProvider } from '@tanstack/react-query';
import { lazy, Suspense, useEffect } from 'react';
import { BrowserRouter, Navigate, Outlet, Route, Routes, useLocation } from 'react-router';
import { client } from '../api/client';
import { queryClient } from '../api/live';
import { loadDeskTexts } from '../i18n';
import { useTranslation } from '../i18n/useText';
import { useStore } from '../lib/store';
import { ButtonLink } from '../ui/Button';
import { Empty, Skeleton } from '../ui/State';
import { Toasts } from '../ui/toasts';
import { Boundary } from './Boundary';
import { Header } from './Header';

const SignIn = lazy(() => import('../features/session/SignIn'));
const Home = lazy(() => import('../features/home/Home'));
const Classroom = lazy(() => import('../features/classroom/Classroom'));
const MyRecord = lazy(() => import('../features/attendance/MyRecord'));
const Desk = lazy(async () => {
  const [page] = await Promise.all([import('../features/admin/Desk'), loadDeskTexts()]);
  return page;
});

export function App() {
  return (
    <Boundary>
      <QueryClientProvider client={queryClient}>
        <BrowserRouter>
          <Routes>
            <Route path="/sign-in" element={<Waiting page={<SignIn />} />} />
            <Route element={<SignedIn />}>
              <Route path="/lessons/:id" element={<Waiting page={<Classroom />} />} />
              <Route element={<Page />}>
                <Route index element={<Home />} />
                <Route path="/record" element={<MyRecord />} />
                <Route path="/desk/*" element={<Desk />} />
                <Route path="*" element={<NotFound />} />
              </Route>
            </Route>
          </Routes>
        </BrowserRouter>
        <Toasts />
      </QueryClientProvider>
    </Boundary>
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
function SignedIn() {
  const { t } = useTranslation();
  const session = useStore(client.session);
  const location = useLocation();
  if (session.status === 'starting') {
    return (
      <div className="page person">
        <Skeleton lines={5} label={t('app.loading')} />
      </div>
    );
  }
  if (session.status === 'anonymous') {
    const wanted = location.pathname + location.search;
    return <Navigate to="/sign-in" replace state={{ wanted }} />;
  }
  return <Outlet />;
}

function Page() {
  const { t } = useTranslation();
  const { pathname } = useLocation();
  useEffect(() => {
    window.scrollTo(0, 0);
    document.title = t('app.name');
  }, [pathname, t]);
  return (
    <>
      <a className="skip" href="#main">
        {t('app.skip')}
      </a>
      <Header />
      <main id="main">
        <Waiting page={<Outlet />} />
      </main>
    </>
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
