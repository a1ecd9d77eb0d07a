import { useLocalParticipant, useParticipantAttributes } from '@livekit/components-react';
import { Track } from 'livekit-client';
import { lazy, Suspense, useState } from 'react';
import type { Visit } from '../../call/visit';
import { useTranslation } from '../../i18n/useText';
import { patiently } from '../../lib/patiently';
import { Icon, type IconName } from '../../ui/Icon';
import { Menu, MenuItem } from '../../ui/Menu';
import { tell } from '../../ui/toasts';
import type { PanelName } from './PanelFrame';

const Devices = lazy(() => patiently(() => import('./Devices')));

interface Props {
  visit: Visit;
  isStaff: boolean;
  /** Learners listen: only whoever was called on may speak. */
  hushed: boolean;
  panel: PanelName | undefined;
  unread: number;
  hands: number;
  onPanel: (panel: PanelName) => void;
}

/** The bar at the bottom, where meeting programs have it. */
export function Controls(props: Props) {
  const { visit, isStaff } = props;
  const { t } = useTranslation();
  const [choosing, setChoosing] = useState(false);
  return (
    <footer className="controls" role="toolbar" aria-label={t('room.controls')}>
      <div className="controls-main">
        <MediaControls visit={visit} isStaff={isStaff} hushed={props.hushed} />
        {!isStaff && <Hand />}
        <span className="controls-wide">
          <Control
            icon="settings"
            text={t('room.devices')}
            testId="control-devices"
            onClick={() => setChoosing(true)}
          />
        </span>
        <span className="controls-narrow">
          <PanelControls {...props} only={['chat']} />
        </span>
        <span className="controls-narrow">
          <MoreMenu {...props} onDevices={() => setChoosing(true)} />
        </span>
        <Control
          icon="phoneDown"
          text={t('room.leave')}
          danger
          testId="control-leave"
          onClick={() => void visit.call.leave()}
        />
      </div>
      <div className="controls-panels controls-wide">
        <PanelControls
          {...props}
          only={isStaff ? ['chat', 'people', 'board', 'rounds'] : ['chat', 'people', 'record']}
        />
      </div>
      {choosing && (
        <Suspense>
          <Devices room={visit.call.room} onClose={() => setChoosing(false)} />
        </Suspense>
      )}
    </footer>
  );
}

function MediaControls(props: Pick<Props, 'visit' | 'isStaff' | 'hushed'>) {
  const { visit, isStaff } = props;
  const { t } = useTranslation();
  const { localParticipant, isMicrophoneEnabled, isCameraEnabled, isScreenShareEnabled } =
    useLocalParticipant();
  const { attributes } = useParticipantAttributes({ participant: localParticipant });
  const isSilent = props.hushed && !isStaff && attributes?.['floor'] !== '1';
  const { toggle } = visit.call;
  // Phones have no way to share the screen from a browser.
  const canShare = isStaff && window.isSecureContext && 'getDisplayMedia' in navigator.mediaDevices;
  return (
    <>
      <Control
        icon={isMicrophoneEnabled ? 'microphone' : 'microphoneOff'}
        text={isMicrophoneEnabled ? t('room.muteSelf') : t('room.unmuteSelf')}
        off={!isMicrophoneEnabled}
        disabled={isSilent}
        testId="control-mic"
        onClick={() => void toggle(Track.Source.Microphone, !isMicrophoneEnabled)}
      />
      <Control
        icon={isCameraEnabled ? 'camera' : 'cameraOff'}
        text={isCameraEnabled ? t('room.stopCamera') : t('room.startCamera')}
        off={!isCameraEnabled}
        testId="control-camera"
        onClick={() => void toggle(Track.Source.Camera, !isCameraEnabled)}
      />
      {canShare && (
        <Control
          icon="screen"
          text={isScreenShareEnabled ? t('room.stopSharing') : t('room.shareScreen')}
          on={isScreenShareEnabled}
          testId="control-screen"
          onClick={() => void toggle(Track.Source.ScreenShare, !isScreenShareEnabled)}
        />
      )}
    </>
  );
}

function Hand() {
  const { t } = useTranslation();
  const { localParticipant } = useLocalParticipant();
  const { attributes } = useParticipantAttributes({ participant: localParticipant });
  const raised = attributes?.['hand'] === '1';
  const change = async () => {
    try {
      await localParticipant.setAttributes({ hand: raised ? '' : '1' });
    } catch {
      tell('refused', t('problem.unknown'));
    }
  };
  return (
    <Control
      icon="hand"
      text={raised ? t('room.lowerHand') : t('room.raiseHand')}
      on={raised}
      testId="control-hand"
      onClick={() => void change()}
    />
  );
}

const PANEL_ICONS: Record<PanelName, IconName> = {
  chat: 'chat',
  people: 'people',
  board: 'board',
  rounds: 'question',
  record: 'book',
};

function usePanelTexts(): Record<PanelName, string> {
  const { t } = useTranslation();
  return {
    chat: t('room.chat'),
    people: t('room.people'),
    board: t('room.attendance'),
    rounds: t('room.rounds'),
    record: t('room.record'),
  };
}

function PanelControls(props: Props & { only: PanelName[] }) {
  const texts = usePanelTexts();
  return (
    <>
      {props.only.map((panel) => (
        <Control
          key={panel}
          icon={PANEL_ICONS[panel]}
          text={texts[panel]}
          on={props.panel === panel}
          badge={panel === 'chat' ? props.unread : panel === 'people' ? props.hands : 0}
          testId={`control-${panel}`}
          onClick={() => props.onPanel(panel)}
        />
      ))}
    </>
  );
}

function MoreMenu(props: Props & { onDevices: () => void }) {
  const { t } = useTranslation();
  const texts = usePanelTexts();
  const panels: PanelName[] = props.isStaff ? ['people', 'board', 'rounds'] : ['people', 'record'];
  return (
    <Menu
      label={t('room.more')}
      place="above"
      className="control"
      testId="control-more"
      trigger={
        <span className="control-face">
          <Icon name="more" size={24} />
        </span>
      }
    >
      {(close) => (
        <>
          {panels.map((panel) => (
            <MenuItem
              key={panel}
              testId={`more-${panel}`}
              onClick={() => {
                close();
                props.onPanel(panel);
              }}
            >
              <Icon name={PANEL_ICONS[panel]} />
              {texts[panel]}
            </MenuItem>
          ))}
          <MenuItem
            onClick={() => {
              close();
              props.onDevices();
            }}
          >
            <Icon name="settings" />
            {t('room.devices')}
          </MenuItem>
        </>
      )}
    </Menu>
  );
}

interface ControlProps {
  icon: IconName;
  text: string;
  testId: string;
  onClick: () => void;
  /** The thing is switched off and looks crossed out. */
  off?: boolean;
  /** The thing is switched on in an unusual way. */
  on?: boolean;
  danger?: boolean;
  disabled?: boolean;
  badge?: number;
}

function Control(props: ControlProps) {
  const classes = ['control'];
  if (props.off === true) classes.push('control-off');
  if (props.on === true) classes.push('control-on');
  if (props.danger === true) classes.push('control-danger');
  const { badge = 0 } = props;
  return (
    <button
      type="button"
      className={classes.join(' ')}
      aria-pressed={props.on}
      title={props.text}
      disabled={props.disabled}
      data-testid={props.testId}
      data-off={props.off}
      onClick={props.onClick}
    >
      <span className="control-face">
        <Icon name={props.icon} size={24} />
        {badge > 0 && <span className="badge">{badge}</span>}
      </span>
      <span className="control-text">{props.text}</span>
    </button>
  );
}
