import { useId, type ReactNode } from 'react';
import { useTranslation } from '../i18n/useText';
import { Button } from './Button';
import { useModal } from './useModal';

interface DialogProps {
  title: string;
  onClose: () => void;
  children?: ReactNode;
  footer?: ReactNode;
  /** `sheet` rises from the bottom on phones. */
  look?: 'card' | 'sheet';
}

/** A modal by the browser's own dialog: it keeps the focus inside and closes on Escape. */
export function Dialog({ title, onClose, children, footer, look = 'card' }: DialogProps) {
  const { t } = useTranslation();
  const { ref, onKeyDown } = useModal();
  const id = useId();
  return (
    <dialog
      ref={ref}
      className={`dialog dialog-${look}`}
      aria-labelledby={id}
      onKeyDown={onKeyDown}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === ref.current) onClose();
      }}
    >
      <div className="dialog-body">
        <header className="dialog-head">
          <h2 id={id}>{title}</h2>
          <Button look="plain" icon="close" aria-label={t('app.close')} onClick={onClose} />
        </header>
        {children}
        {footer !== undefined && <footer className="dialog-foot">{footer}</footer>}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  text: string;
  confirm: string;
  danger?: boolean;
  busy?: boolean;
  onConfirm: () => void;
  onClose: () => void;
}

export function Confirm(props: ConfirmProps) {
  const { t } = useTranslation();
  return (
    <Dialog
      title={props.title}
      onClose={props.onClose}
      footer={
        <>
          <Button onClick={props.onClose}>{t('app.cancel')}</Button>
          <Button
            look={props.danger === true ? 'danger' : 'primary'}
            busy={props.busy}
            onClick={props.onConfirm}
            data-testid="confirm-yes"
          >
            {props.confirm}
          </Button>
        </>
      }
    >
      <p>{props.text}</p>
    </Dialog>
  );
}
