import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useParams } from 'wouter';
import { issuedPack } from '../../api/redress';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, unwrap } from '../../lib/result';
import { dateTime } from '../../lib/time';
import { Notice, Skeleton } from '../../ui/State';
import './record.css';

/** Tells anybody whether a pack of evidence is one that this server handed out. */
export default function Verify() {
  const { t, i18n } = useTranslation();
  const problemText = useProblemText();
  const { id } = useParams<{ id: string }>();
  const issued = useQuery({
    queryKey: ['evidence', id],
    queryFn: async () => unwrap(await issuedPack(id)),
    retry: false,
  });
  const isUnknown = issued.isError && [404, 400].includes(problemOf(issued.error).status);
  return (
    <main className="page person verify" data-testid="verify">
      <h1>{t('verify.title')}</h1>
      {issued.isPending && <Skeleton label={t('app.loading')} />}
      {issued.isError && (
        <Notice tone="refused" role="alert">
          {isUnknown ? t('verify.unknown') : problemText(problemOf(issued.error))}
        </Notice>
      )}
      {issued.data && (
        <>
          <Notice tone="ok">
            {t('verify.issued', { at: dateTime(issued.data.issued_at, i18n.language) })}
          </Notice>
          <Compare wanted={issued.data.manifest_sha256} />
        </>
      )}
    </main>
  );
}

function Compare({ wanted }: { wanted: string }) {
  const { t } = useTranslation();
  const [found, setFound] = useState<string>();
  const choose = async (file: File | undefined) => {
    if (file) setFound(await digest(file));
  };
  return (
    <section className="card verify-card">
      <p>{t('verify.lead')}</p>
      <label className="verify-file">
        <span>{t('verify.choose')}</span>
        <input
          type="file"
          accept=".json,application/json"
          data-testid="verify-file"
          onChange={(event) => void choose(event.target.files?.[0])}
        />
      </label>
      <div role="status">
        {found !== undefined && (
          <Notice tone={found === wanted ? 'ok' : 'refused'}>
            {found === wanted ? t('verify.same') : t('verify.other')}
          </Notice>
        )}
      </div>
      <p className="hint">{t('verify.next')}</p>
      <code className="verify-digest">{wanted}</code>
    </section>
  );
}

async function digest(file: File): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', await file.arrayBuffer()));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
