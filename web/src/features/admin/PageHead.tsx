import { DownloadOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Space } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from '../../i18n/useText';

interface Props {
  title: string;
  onExport?: () => void;
  create?: { text: string; onClick: () => void; testId: string };
  children?: ReactNode;
}

/** A page's title with its main actions, and the filters below. */
export function PageHead({ title, onExport, create, children }: Props) {
  const { t } = useTranslation();
  return (
    <div className="desk-head">
      <div className="desk-title">
        <h1>{title}</h1>
        <Space wrap>
          {onExport && (
            <Button icon={<DownloadOutlined />} title={t('desk.shown')} onClick={onExport}>
              {t('desk.export')}
            </Button>
          )}
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
