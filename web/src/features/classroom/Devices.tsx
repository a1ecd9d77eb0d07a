import { useMediaDeviceSelect } from '@livekit/components-react';
import type { Room } from 'livekit-client';
import { useTranslation } from '../../i18n/useText';
import { Dialog } from '../../ui/Dialog';
import { SelectField } from '../../ui/Field';

/** Chooses microphone, camera and speaker while the lesson runs. */
export default function Devices({ room, onClose }: { room: Room; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Dialog title={t('room.devices')} look="sheet" onClose={onClose}>
      <div className="form">
        <DeviceSelect room={room} kind="audioinput" label={t('prejoin.microphone')} />
        <DeviceSelect room={room} kind="videoinput" label={t('prejoin.camera')} />
        <DeviceSelect room={room} kind="audiooutput" label={t('room.speaker')} />
      </div>
    </Dialog>
  );
}

function DeviceSelect(props: { room: Room; kind: MediaDeviceKind; label: string }) {
  const { t } = useTranslation();
  const { devices, activeDeviceId, setActiveMediaDevice } = useMediaDeviceSelect({
    kind: props.kind,
    room: props.room,
    requestPermissions: false,
  });
  const options = devices
    .filter((device) => device.deviceId !== '')
    .map((device) => ({ value: device.deviceId, label: device.label || device.deviceId }));
  return (
    <SelectField
      label={props.label}
      value={activeDeviceId}
      disabled={options.length === 0}
      options={options.length > 0 ? options : [{ value: '', label: t('room.noDevices') }]}
      onChange={(id) => void setActiveMediaDevice(id)}
    />
  );
}
