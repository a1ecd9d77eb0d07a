import { Form, Input, Modal } from 'antd';
import { resetPassword } from '../../api/calls';
import { keys } from '../../api/live';
import type { Person } from '../../api/types';
import { useTranslation } from '../../i18n/useText';
import { Refusal } from './Refusal';
import { useChange } from './queries';

export function ResetPassword({ person, onClose }: { person: Person; onClose: () => void }) {
  const { t } = useTranslation();
  const [form] = Form.useForm<{ password: string }>();
  const reset = useChange(
    ({ password }: { password: string }) => resetPassword(person.id, password),
    keys.people,
    { done: t('persons.resetDone'), onDone: onClose, inForm: true },
  );
  return (
    <Modal
      open
      title={t('persons.resetTitle', { name: person.name })}
      okText={t('persons.reset')}
      confirmLoading={reset.isPending}
      onOk={form.submit}
      onCancel={onClose}
    >
      <Form form={form} layout="vertical" requiredMark={false} onFinish={reset.mutate}>
        <Form.Item
          name="password"
          label={t('persons.newPassword')}
          extra={t('password.rule')}
          rules={[{ required: true, min: 8, message: t('password.tooShort') }]}
        >
          <Input.Password autoComplete="new-password" />
        </Form.Item>
        <Refusal error={reset.error} />
      </Form>
    </Modal>
  );
}
