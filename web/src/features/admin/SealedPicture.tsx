import { useQuery } from '@tanstack/react-query';
import { Image } from 'antd';
import { useEffect, useState } from 'react';
import { fetchPicture } from '../../api/faces';
import { useTranslation } from '../../i18n/useText';
import { problemOf, unwrap } from '../../lib/result';
import { createStore, useStore } from '../../lib/store';
import { Icon } from '../../ui/Icon';

/** A picture of a face: fetched with the token, shown, and forgotten with the view. */
export function SealedPicture(props: { path: string; alt: string; none: string }) {
  const { t } = useTranslation();
  const picture = useQuery({
    queryKey: ['picture', props.path],
    queryFn: async () => unwrap(await fetchPicture(props.path)),
    staleTime: Infinity,
    gcTime: 0,
    retry: (count, error) => problemOf(error).status !== 404 && count < 2,
  });
  const url = useObjectUrl(picture.data);
  if (picture.isError) {
    const isNone = problemOf(picture.error).status === 404;
    return (
      <div className="sealed sealed-none">
        <Icon name="face" size={32} />
        <span>{isNone ? props.none : t('faces.noPicture')}</span>
      </div>
    );
  }
  if (url === undefined) {
    return <div className="sealed sealed-loading" role="status" aria-label={t('app.loading')} />;
  }
  return (
    <div className="sealed">
      <Image src={url} alt={props.alt} width="100%" height="100%" />
    </div>
  );
}

/** An address for a picture in memory, given back when nobody shows it any more. */
function useObjectUrl(blob: Blob | undefined): string | undefined {
  const [address] = useState(() => createStore<string | undefined>(undefined));
  useEffect(() => {
    if (!blob) return;
    const url = URL.createObjectURL(blob);
    address.set(url);
    return () => {
      address.set(undefined);
      URL.revokeObjectURL(url);
    };
  }, [address, blob]);
  return useStore(address);
}
