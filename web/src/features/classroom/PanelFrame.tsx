import type { ReactNode } from 'react';
import { useTranslation } from '../../i18n/useText';
import { Icon } from '../../ui/Icon';

export type PanelName = 'chat' | 'people' | 'board' | 'rounds' | 'record';

interface Props {
  panel: PanelName;
  isStaff: boolean;
  unread: number;
  people: number;
  onChoose: (panel: PanelName | undefined) => void;
  children: ReactNode;
}

/** The side panel with its tabs; on a phone a sheet over the lower part of the screen. */
export function PanelFrame(props: Props) {
  const { t } = useTranslation();
  const tabs: { name: PanelName; text: string }[] = [
    { name: 'chat', text: t('room.chat') },
    { name: 'people', text: `${t('room.people')} ${props.people}` },
    ...(props.isStaff
      ? [
          { name: 'board' as const, text: t('room.attendance') },
          { name: 'rounds' as const, text: t('room.rounds') },
        ]
      : [{ name: 'record' as const, text: t('room.record') }]),
  ];
  return (
    <aside className="panel" aria-label={t('room.panel')}>
      <div className="panel-head">
        <div className="panel-tabs" role="tablist">
          {tabs.map(({ name, text }) => (
            <button
              key={name}
              type="button"
              role="tab"
              id={`tab-${name}`}
              aria-selected={props.panel === name}
              aria-controls="panel-body"
              className="panel-tab"
              data-testid={`tab-${name}`}
              onClick={() => props.onChoose(name)}
            >
              {text}
              {name === 'chat' && props.unread > 0 && <span className="badge">{props.unread}</span>}
            </button>
          ))}
        </div>
        <button
          type="button"
          className="panel-close"
          aria-label={t('app.close')}
          onClick={() => props.onChoose(undefined)}
        >
          <Icon name="close" />
        </button>
      </div>
      <div
        className="panel-body"
        id="panel-body"
        role="tabpanel"
        aria-labelledby={`tab-${props.panel}`}
      >
        {props.children}
      </div>
    </aside>
  );
}
