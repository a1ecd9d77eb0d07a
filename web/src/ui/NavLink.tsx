import type { ReactNode } from 'react';
import { Link, useLocation } from 'wouter';

interface Props {
  to: string;
  /** Only the very page counts as here, not the pages below it. */
  exact?: boolean;
  testId?: string;
  children: ReactNode;
}

/** A link of a menu that shows, and says, when one is there. */
export function NavLink({ to, exact = false, testId, children }: Props) {
  const [path] = useLocation();
  const isHere = path === to || (!exact && path.startsWith(`${to}/`));
  return (
    <Link
      to={to}
      className={isHere ? 'active' : undefined}
      aria-current={isHere ? 'page' : undefined}
      data-testid={testId}
    >
      {children}
    </Link>
  );
}
