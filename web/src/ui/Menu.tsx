import { useEffect, useRef, useState, type ReactNode } from 'react';

interface MenuProps {
  label: string;
  trigger: ReactNode;
  className?: string;
  testId?: string;
  /** Where the list opens. */
  place?: 'below' | 'above';
  children: (close: () => void) => ReactNode;
}

/** A button that opens a small list; Escape or a press elsewhere closes it. */
export function Menu(props: MenuProps) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!open) return;
    const outside = (event: PointerEvent) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    const escape = (event: KeyboardEvent) => {
      if (event.key !== 'Escape') return;
      setOpen(false);
      button.current?.focus();
    };
    document.addEventListener('pointerdown', outside);
    document.addEventListener('keydown', escape);
    return () => {
      document.removeEventListener('pointerdown', outside);
      document.removeEventListener('keydown', escape);
    };
  }, [open]);
  return (
    <div className="menu" ref={box}>
      <button
        ref={button}
        type="button"
        className={props.className ?? 'button button-plain button-normal'}
        aria-label={props.label}
        aria-expanded={open}
        title={props.label}
        data-testid={props.testId}
        onClick={() => setOpen(!open)}
      >
        {props.trigger}
      </button>
      {open && (
        <div className={`menu-list menu-${props.place ?? 'below'}`}>
          {props.children(() => setOpen(false))}
        </div>
      )}
    </div>
  );
}

export function MenuItem(props: {
  onClick: () => void;
  children: ReactNode;
  chosen?: boolean;
  testId?: string;
  danger?: boolean;
}) {
  return (
    <button
      type="button"
      className={props.danger === true ? 'menu-item menu-item-danger' : 'menu-item'}
      aria-pressed={props.chosen}
      data-testid={props.testId}
      onClick={props.onClick}
    >
      {props.children}
    </button>
  );
}
