import { useLayoutEffect, useRef, type KeyboardEvent, type RefObject } from 'react';

const STOPS = 'a[href], button:enabled, input:enabled, select:enabled, textarea:enabled, summary';

/**
 * Shows the browser's own modal dialog while the view lives. The browser makes the page behind it
 * dead and gives the focus back afterwards, but lets Tab walk out to its own bars; here it goes
 * round inside.
 */
export function useModal(): {
  ref: RefObject<HTMLDialogElement | null>;
  onKeyDown: (event: KeyboardEvent) => void;
} {
  const ref = useRef<HTMLDialogElement>(null);
  // Before the element is taken out of the page: only then does closing give the focus back.
  useLayoutEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Tab') return;
    const stops = [...(ref.current?.querySelectorAll<HTMLElement>(STOPS) ?? [])];
    const first = stops[0];
    const last = stops.at(-1);
    const here = document.activeElement;
    const leaves = event.shiftKey ? here === first || here === ref.current : isLast(here, last);
    if (!leaves) return;
    event.preventDefault();
    (event.shiftKey ? last : first)?.focus();
  };
  return { ref, onKeyDown };
}

/** Radio buttons of one group are one stop, so each of them is the last when one is. */
function isLast(here: Element | null, last: HTMLElement | undefined): boolean {
  if (here === last) return true;
  return (
    here instanceof HTMLInputElement &&
    last instanceof HTMLInputElement &&
    here.type === 'radio' &&
    last.type === 'radio' &&
    here.name === last.name
  );
}
