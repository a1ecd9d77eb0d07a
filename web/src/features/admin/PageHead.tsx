import { DownloadOutlined, PlusOutlined } from '@ant-design/icons';
import { useMutation } from '@tanstack/react-query';
import { App, Button, Space } from 'antd';
import type { ReactNode } from 'react';
import { useProblemText, useTranslation } from '../../i18n/useText';
import { problemOf, unwrap, type Result } from '../../lib/result';

interface Props {
  title: string;
  /** Collects what the filters let through and offers it as a file; answers how many rows. */
  onExport?: () => Promise<Result<number>>;
  create?: { text: string; onClick: () => void; testId: string };
  /** A further way to add something. */
  more?: ReactNode;
  children?: ReactNode;
}

/** A page's title with its main actions, and the filters below. */
export function PageHead({ title, onExport, create, more, children }: Props) {
  return (
    <div className="desk-head">
      <div className="desk-title">
        <h1>{title}</h1>
        <Space wrap>
          {onExport && <ExportButton onExport={onExport} />}
          {more}
          {create && (
            <Button
              type="primary"
              icon={<PlusOutlined />}
              data-testid={create.testId}
              onClick={create.onClick}
            >
              {create.text}
            </Button>
          )}
        </Space>
      </div>
      {children !== undefined && <div className="desk-filters">{children}</div>}
    </div>
  );
}

export function ExportButton({ onExport }: { onExport: () => Promise<Result<number>> }) {
  const { t } = useTranslation();
  const { message } = App.useApp();
  const problemText = useProblemText();
  const save = useMutation({
    mutationFn: async () => unwrap(await onExport()),
    onSuccess: (n) => void message.success(t('desk.exported', { n })),
    onError: (error) => void message.error(problemText(problemOf(error))),
  });
  return (
    <Button
      icon={<DownloadOutlined />}
      title={t('desk.shown')}
      loading={save.isPending}
      data-testid="export"
      onClick={() => save.mutate()}
    >
      {t('desk.export')}
    </Button>
  );
}
