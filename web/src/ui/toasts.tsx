import { createStore, useStore } from '../lib/store';
import { Icon } from './Icon';

interface Toast {
  id: number;
  tone: 'ok' | 'refused';
  text: string;
}

const SHOWN_MS = 4000;
/** More than this at once would cover the page; the oldest goes. */
const SHOWN_MAX = 3;

const toasts = createStore<Toast[]>([]);
let counter = 0;

/** Tells the outcome of something the person just did. */
export function tell(tone: Toast['tone'], text: string): void {
  counter += 1;
  const id = counter;
  toasts.set([...toasts.get(), { id, tone, text }].slice(-SHOWN_MAX));
  setTimeout(() => toasts.set(toasts.get().filter((toast) => toast.id !== id)), SHOWN_MS);
}

export function Toasts() {
  const shown = useStore(toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((toast) => (
        <div key={toast.id} className={`toast toast-${toast.tone}`}>
          <Icon name={toast.tone === 'ok' ? 'check' : 'alert'} />
          {toast.text}
        </div>
      ))}
    </div>
  );
}
