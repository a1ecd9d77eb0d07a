import type { ButtonHTMLAttributes, ReactNode } from 'react';
import { Link } from 'wouter';
import { Icon, type IconName } from './Icon';

export type ButtonLook = 'primary' | 'quiet' | 'plain' | 'danger';

interface Common {
  look?: ButtonLook;
  size?: 'small' | 'normal' | 'large';
  icon?: IconName;
  children?: ReactNode;
  wide?: boolean;
}

type ButtonProps = Common & { busy?: boolean } & ButtonHTMLAttributes<HTMLButtonElement>;

function classes({ look = 'quiet', size = 'normal', wide = false }: Common): string {
  return `button button-${look} button-${size}${wide ? ' button-wide' : ''}`;
}

export function Button(props: ButtonProps) {
  const { look, size, icon, busy = false, wide, children, className, ...rest } = props;
  return (
    <button
      type="button"
      {...rest}
      className={`${classes({ look, size, wide })} ${className ?? ''}`}
      disabled={rest.disabled === true || busy}
      aria-busy={busy || undefined}
    >
      {busy ? <span className="spinner" aria-hidden="true" /> : icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

export function ButtonLink(props: Common & { to: string; 'data-testid'?: string }) {
  const { to, icon, children, 'data-testid': testId, ...rest } = props;
  return (
    <Link to={to} className={classes(rest)} data-testid={testId}>
      {icon && <Icon name={icon} />}
      {children}
    </Link>
  );
}
