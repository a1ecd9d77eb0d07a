import { lazy, Suspense, useState } from 'react';
import { Link, useLocation } from 'wouter';
import { client } from '../api/client';
import { useTranslation } from '../i18n/useText';
import { patiently } from '../lib/patiently';
import { useStore } from '../lib/store';
import { Avatar } from '../ui/Avatar';
import { Icon, Mark } from '../ui/Icon';
import { Menu, MenuItem } from '../ui/Menu';
import { NavLink } from '../ui/NavLink';
import { Preferences } from '../ui/Preferences';

const ChangePassword = lazy(() => patiently(() => import('./ChangePassword')));

/** Any of these opens the desk. */
const DESK_RIGHTS = ['lessons.manage', 'people.manage', 'units.manage', 'audit.read'];

export function Header() {
  const { t } = useTranslation();
  const session = useStore(client.session);
  const [, navigate] = useLocation();
  const [changing, setChanging] = useState(false);
  if (session.status !== 'signed_in') return null;
  const { me } = session;
  const isLearner = me.roles.some((grant) => grant.role === 'learner');
  const hasDesk = me.may.some((right) => DESK_RIGHTS.includes(right));
  return (
    <header className="header">
      <Link to="/" className="brand" aria-label={t('app.name')}>
        <Mark />
        <span>{t('app.name')}</span>
      </Link>
      <nav className="nav">
        <NavLink to="/" exact>
          {t('app.today')}
        </NavLink>
        {isLearner && (
          <NavLink to="/study" testId="nav-study">
            {t('app.study')}
          </NavLink>
        )}
        {isLearner && (
          <NavLink to="/record" testId="nav-record">
            {t('app.myRecord')}
          </NavLink>
        )}
        {hasDesk && (
          <NavLink to="/desk" testId="nav-desk">
            {t('app.desk')}
          </NavLink>
        )}
      </nav>
      <div className="header-end">
        <Preferences />
        <Menu
          label={`${t('app.account')}: ${me.name}`}
          testId="account-menu"
          className="account-button"
          trigger={<Avatar name={me.name} />}
        >
          {(close) => (
            <>
              <div className="menu-head">
                <strong>{me.name}</strong>
                <span>{me.unit.name}</span>
                <span>
                  {[...new Set(me.roles.map((each) => t(`role.${each.role}`)))].join(' · ')}
                </span>
              </div>
              <MenuItem
                testId="menu-face"
                onClick={() => {
                  close();
                  navigate('/face');
                }}
              >
                <Icon name="face" />
                {t('faceLink.menu')}
              </MenuItem>
              <MenuItem
                onClick={() => {
                  close();
                  setChanging(true);
                }}
              >
                <Icon name="settings" />
                {t('app.changePassword')}
              </MenuItem>
              <MenuItem testId="sign-out" onClick={() => void client.signOut()}>
                <Icon name="leave" />
                {t('app.signOut')}
              </MenuItem>
            </>
          )}
        </Menu>
      </div>
      {changing && (
        <Suspense>
          <ChangePassword onClose={() => setChanging(false)} />
        </Suspense>
      )}
    </header>
  );
}
