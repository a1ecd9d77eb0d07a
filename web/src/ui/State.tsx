import type { ReactNode } from 'react';
import { Icon, type IconName } from './Icon';

export type Tone = 'ok' | 'waiting' | 'attention' | 'refused' | 'neutral';

const TONE_ICON: Record<Tone, IconName> = {
  ok: 'check',
  waiting: 'clock',
  attention: 'alert',
  refused: 'refused',
  neutral: 'info',
};

/** A state is always colour, icon and word together. */
export function StateTag(props: { tone: Tone; children: ReactNode; icon?: IconName }) {
  return (
    <span className={`state state-${props.tone}`}>
      <Icon name={props.icon ?? TONE_ICON[props.tone]} size={15} />
      <span>{props.children}</span>
    </span>
  );
}

export function Notice(props: {
  tone: Tone;
  title?: string;
  children?: ReactNode;
  action?: ReactNode;
  role?: 'status' | 'alert';
}) {
  return (
    <div className={`notice notice-${props.tone}`} role={props.role}>
      <Icon name={TONE_ICON[props.tone]} />
      <div className="notice-words">
        {props.title !== undefined && <strong>{props.title}</strong>}
        {props.children !== undefined && <div>{props.children}</div>}
      </div>
      {props.action}
    </div>
  );
}

export function Empty(props: { icon: IconName; title: string; hint?: string; action?: ReactNode }) {
  return (
    <div className="empty">
      <span className="empty-icon">
        <Icon name={props.icon} size={28} />
      </span>
      <p className="empty-title">{props.title}</p>
      {props.hint !== undefined && <p className="empty-hint">{props.hint}</p>}
      {props.action}
    </div>
  );
}

/** Grey shapes where content will come, announced once as loading. */
export function Skeleton({ lines = 3, label }: { lines?: number; label: string }) {
  return (
    <div className="skeleton" role="status" aria-label={label}>
      {Array.from({ length: lines }, (_, index) => (
        <span key={index} className="skeleton-line" />
      ))}
    </div>
  );
}
