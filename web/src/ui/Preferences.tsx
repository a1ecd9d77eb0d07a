import { useTranslation } from '../i18n/useText';
import {
  chooseLanguage,
  chooseTheme,
  language,
  themeChoice,
  type ThemeChoice,
} from '../lib/preferences';
import { useStore } from '../lib/store';
import { Icon, type IconName } from './Icon';
import { Menu, MenuItem } from './Menu';

const THEMES: { choice: ThemeChoice; icon: IconName }[] = [
  { choice: 'system', icon: 'screen' },
  { choice: 'light', icon: 'sun' },
  { choice: 'dark', icon: 'moon' },
];

/** Language and appearance, also for those who are not signed in. */
export function Preferences() {
  const { t } = useTranslation();
  const chosenTheme = useStore(themeChoice);
  const chosenLanguage = useStore(language);
  const themeText = {
    system: t('app.themeSystem'),
    light: t('app.themeLight'),
    dark: t('app.themeDark'),
  };
  return (
    <Menu
      label={`${t('app.language')} · ${t('app.theme')}`}
      testId="preferences"
      trigger={<Icon name="globe" />}
    >
      {(close) => (
        <>
          <div className="menu-label">{t('app.language')}</div>
          {(['zh-CN', 'en'] as const).map((each) => (
            <MenuItem
              key={each}
              chosen={chosenLanguage === each}
              testId={`language-${each}`}
              onClick={() => {
                chooseLanguage(each);
                close();
              }}
            >
              <span lang={each}>{LANGUAGE_NAMES[each]}</span>
            </MenuItem>
          ))}
          <div className="menu-label">{t('app.theme')}</div>
          {THEMES.map(({ choice, icon }) => (
            <MenuItem
              key={choice}
              chosen={chosenTheme === choice}
              testId={`theme-${choice}`}
              onClick={() => {
                chooseTheme(choice);
                close();
              }}
            >
              <Icon name={icon} />
              {themeText[choice]}
            </MenuItem>
          ))}
        </>
      )}
    </Menu>
  );
}

/** Each language is written in itself, so that those who read only it can find it. */
const LANGUAGE_NAMES = { 'zh-CN': '\u4e2d\u6587', en: 'English' };
