import { useSearchParams } from 'wouter';

/** Filters that live in the address, so that a view can be shared and found again. */
export function useFilters(): [
  (name: string) => string,
  (changes: Record<string, string | undefined>) => void,
] {
  const [search, setSearch] = useSearchParams();
  const get = (name: string) => search.get(name) ?? '';
  const set = (changes: Record<string, string | undefined>) =>
    setSearch(
      (current) => {
        const next = new URLSearchParams(current);
        for (const [name, value] of Object.entries(changes)) {
          if (value === undefined || value === '') next.delete(name);
          else next.set(name, value);
        }
        return next;
      },
      { replace: true },
    );
  return [get, set];
}
