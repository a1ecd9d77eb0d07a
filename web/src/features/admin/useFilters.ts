import { useSearchParams } from 'wouter';

type Changes = Record<string, string | undefined>;

/** What is shown lives in the address, so that a view can be shared and found again. */
export interface Filters {
  get: (name: string) => string;
  /** Takes the place of the present view. */
  set: (changes: Changes) => void;
  /** Opens something over the view, which the browser's way back closes. */
  open: (changes: Changes) => void;
}

export function useFilters(): Filters {
  const [search, setSearch] = useSearchParams();
  const change = (changes: Changes, replace: boolean) =>
    setSearch(
      (current) => {
        const next = new URLSearchParams(current);
        for (const [name, value] of Object.entries(changes)) {
          if (value === undefined || value === '') next.delete(name);
          else next.set(name, value);
        }
        return next;
      },
      { replace },
    );
  return {
    get: (name) => search.get(name) ?? '',
    set: (changes) => change(changes, true),
    open: (changes) => change(changes, false),
  };
}
