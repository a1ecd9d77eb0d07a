import { App, ConfigProvider, theme as antdTheme } from 'antd';
import enUS from 'antd/locale/en_US';
import zhCN from 'antd/locale/zh_CN';
import dayjs from 'dayjs';
import 'dayjs/locale/zh-cn';
import { Redirect, Route, Switch } from 'wouter';
import { client } from '../../api/client';
import { useTranslation } from '../../i18n/useText';
import { useStore } from '../../lib/store';
import { appearance } from '../../ui/appearance';
import { antdParts, antdTokens, dark, light } from '../../ui/theme';
import { Icon, type IconName } from '../../ui/Icon';
import { NavLink } from '../../ui/NavLink';
import { AppealsPage } from './AppealsPage';
import { AuditPage } from './AuditPage';
import { FacesPage } from './FacesPage';
import { CoursesPage } from './CoursesPage';
import { FilmsPage } from './FilmsPage';
import { LessonsPage } from './LessonsPage';
import { PeoplePage } from './PeoplePage';
import { QuestionsPage } from './QuestionsPage';
import { ReviewsPage } from './ReviewsPage';
import { RecordingsPage } from './RecordingsPage';
import { UnitsPage } from './UnitsPage';
import './desk.css';

interface Section {
  path: string;
  right: string;
  icon: IconName;
  text:
    | 'desk.lessons'
    | 'desk.people'
    | 'desk.units'
    | 'desk.questions'
    | 'desk.films'
    | 'desk.courses'
    | 'desk.recordings'
    | 'desk.audit'
    | 'faces.title'
    | 'reviews.title'
    | 'appeals.title';
  page: React.ReactNode;
}

const SECTIONS: Section[] = [
  {
    path: 'lessons',
    right: 'lessons.manage',
    icon: 'calendar',
    text: 'desk.lessons',
    page: <LessonsPage />,
  },
  {
    path: 'questions',
    right: 'lessons.manage',
    icon: 'question',
    text: 'desk.questions',
    page: <QuestionsPage />,
  },
  {
    path: 'courses',
    right: 'lessons.manage',
    icon: 'play',
    text: 'desk.courses',
    page: <CoursesPage />,
  },
  {
    path: 'films',
    right: 'lessons.manage',
    icon: 'film',
    text: 'desk.films',
    page: <FilmsPage />,
  },
  {
    path: 'recordings',
    right: 'lessons.manage',
    icon: 'camera',
    text: 'desk.recordings',
    page: <RecordingsPage />,
  },
  {
    path: 'people',
    right: 'people.manage',
    icon: 'people',
    text: 'desk.people',
    page: <PeoplePage />,
  },
  {
    path: 'faces',
    right: 'people.manage',
    icon: 'face',
    text: 'faces.title',
    page: <FacesPage />,
  },
  {
    path: 'reviews',
    right: 'people.manage',
    icon: 'eye',
    text: 'reviews.title',
    page: <ReviewsPage />,
  },
  {
    path: 'appeals',
    right: 'people.manage',
    icon: 'chat',
    text: 'appeals.title',
    page: <AppealsPage />,
  },
  { path: 'units', right: 'units.manage', icon: 'board', text: 'desk.units', page: <UnitsPage /> },
  { path: 'audit', right: 'audit.read', icon: 'book', text: 'desk.audit', page: <AuditPage /> },
];

/** The desk: tables and forms for those who arrange lessons and look after people. */
export default function Desk() {
  const { t, i18n } = useTranslation();
  const session = useStore(client.session);
  const look = useStore(appearance);
  const isDark = look === 'dark';
  const isEnglish = i18n.language === 'en';
  dayjs.locale(isEnglish ? 'en' : 'zh-cn');
  if (session.status !== 'signed_in') return null;
  const shown = SECTIONS.filter((section) => session.me.may.includes(section.right));
  const first = shown[0];
  if (!first) return <Redirect to="/" replace />;
  return (
    <ConfigProvider
      // antd would set two characters apart, which screen readers then read as two words.
      button={{ autoInsertSpace: false }}
      locale={isEnglish ? enUS : zhCN}
      theme={{
        token: antdTokens(isDark ? dark : light),
        components: antdParts(isDark ? dark : light),
        algorithm: isDark ? antdTheme.darkAlgorithm : antdTheme.defaultAlgorithm,
      }}
    >
      <App className="desk">
        <nav className="desk-nav" aria-label={t('desk.title')}>
          {shown.map((section) => (
            <NavLink key={section.path} to={`/desk/${section.path}`}>
              <Icon name={section.icon} />
              {t(section.text)}
            </NavLink>
          ))}
        </nav>
        <div className="desk-page">
          <Switch>
            {shown.map((section) => (
              <Route key={section.path} path={`/desk/${section.path}`}>
                {section.page}
              </Route>
            ))}
            <Route>
              <Redirect to={`/desk/${first.path}`} replace />
            </Route>
          </Switch>
        </div>
      </App>
    </ConfigProvider>
  );
}
