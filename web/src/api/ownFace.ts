import { useQuery } from '@tanstack/react-query';
import { unwrap } from '../lib/result';
import { getOwnFace } from './faces';
import { keys } from './live';

/** One's own enrolment; the event `face_changed` keeps it fresh. */
export function useOwnFace(options: { enabled?: boolean } = {}) {
  return useQuery({
    queryKey: keys.ownFace,
    queryFn: async () => unwrap(await getOwnFace()),
    ...options,
  });
}
