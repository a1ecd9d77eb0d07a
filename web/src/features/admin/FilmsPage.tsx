import { UploadOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { App, Button, Drawer, Form, Input, Progress, Skeleton, Space } from 'antd';
import { TreeSelect, Upload } from 'antd';
import type { ColumnsType } from 'antd/es/table';
import { lazy, Suspense, useState } from 'react';
import { client } from '../../api/client';
import { listFilms, removeFilm, renameFilm } from '../../api/library';
import { keys, queryClient } from '../../api/live';
import type { Film } from '../../api/types';
import { useTranslation } from '../../i18n/useText';
import { patiently } from '../../lib/patiently';
import { unwrap } from '../../lib/result';
import { useStore } from '../../lib/store';
import { dateTime, runningTime } from '../../lib/time';
import { Empty, StateTag } from '../../ui/State';
import { DeskTable, PAGE_SIZE, pageOf, usePages } from './DeskTable';
import { FILM_TONE, sizeText, titleOf, useUnfitText } from './filmText';
import { PageHead } from './PageHead';
import { Refusal } from './Refusal';
import { Sendings } from './Sendings';
import { send, sendings } from './uploads';
import { unitTree, useChange, useUnits } from './queries';
import { useFilters } from './useFilters';

/** What plays films is loaded for those who look at one. */
const FilmPreview = lazy(() => patiently(() => import('./FilmPreview')));

/** An import that another person began is seen to go on within this time. */
const REFETCH_MS = 5000;
/** What a chooser of files offers first; the server looks at what a file is. */
const ACCEPT = 'video/*,audio/*,.mkv,.flv,.ts';

/** The library of films: what is there, what comes, what could not be used and why. */
export function FilmsPage() {
  const { t, i18n } = useTranslation();
  const { get, set, open } = useFilters();
  const [renamed, setRenamed] = useState<Film>();
  const q = get('q');
  const page = pageOf(get('page'));
  const films = useQuery({
    queryKey: [...keys.films, q, page],
    queryFn: async () => unwrap(await listFilms({ q, page, page_size: PAGE_SIZE })),
    placeholderData: (before) => before,
    refetchInterval: (query) =>
      query.state.data?.items.some((film) => film.state !== 'ready' && film.state !== 'refused')
        ? REFETCH_MS
        : false,
  });
  const previewed = films.data?.items.find((film) => film.id === get('preview'));
  const columns: ColumnsType<Film> = [
    { title: t('films.name'), dataIndex: 'title' },
    {
      title: t('films.state'),
      key: 'state',
      width: 260,
      render: (_, film) => <FilmStateCell film={film} />,
    },
    {
      title: t('films.duration'),
      key: 'duration',
      width: 110,
      render: (_, film) => (
        <div className="figures">
          {film.duration_ms ? runningTime(film.duration_ms / 1000) : '–'}
          <div className="hint">{sizeText(film.length)}</div>
        </div>
      ),
    },
    { title: t('films.lessons'), dataIndex: 'lessons', width: 110 },
    {
      title: t('films.owner'),
      key: 'owner',
      width: 190,
      render: (_, film) => (
        <div>
          {film.owner_name} · {film.unit_name}
          <div className="hint figures">{dateTime(film.created_at, i18n.language)}</div>
        </div>
      ),
    },
    {
      title: t('desk.actions'),
      key: 'actions',
      width: 200,
      render: (_, film) => (
        <FilmActions
          film={film}
          onPreview={() => open({ preview: film.id })}
          onRename={() => setRenamed(film)}
        />
      ),
    },
  ];
  return (
    <>
      <PageHead
        title={t('desk.films')}
        more={
          <Button
            type="primary"
            icon={<UploadOutlined />}
            data-testid="film-upload"
            onClick={() => open({ new: '1' })}
          >
            {t('films.upload')}
          </Button>
        }
      >
        <Input.Search
          key={q}
          allowClear
          className="desk-search"
          aria-label={t('desk.search')}
          placeholder={t('films.searchHint')}
          defaultValue={q}
          onSearch={(text) => set({ q: text, page: undefined })}
        />
      </PageHead>
      <Sendings />
      <DeskTable<Film>
        rowKey="id"
        columns={columns}
        rows={films.data?.items ?? []}
        loading={films}
        scroll={{ x: 1040 }}
        empty={
          q === '' ? (
            <Empty icon="film" title={t('films.empty')} hint={t('films.emptyHint')} />
          ) : (
            <Empty icon="film" title={t('films.noMatch')} hint={t('films.noMatchHint')} />
          )
        }
        pagination={usePages(films.data?.total)}
      />
      {get('new') === '1' && (
        <Drawer
          open
          size={560}
          title={t('films.upload')}
          mask={{ closable: false }}
          onClose={() => set({ new: undefined })}
        >
          <UploadForm onDone={() => set({ new: undefined })} />
        </Drawer>
      )}
      {previewed && (
        <Drawer
          open
          size={720}
          title={previewed.title}
          onClose={() => set({ preview: undefined })}
          destroyOnHidden
        >
          <Suspense fallback={<Skeleton active />}>
            <FilmPreview film={previewed} />
          </Suspense>
        </Drawer>
      )}
      {renamed && (
        <Drawer
          open
          size={480}
          title={t('films.rename')}
          mask={{ closable: false }}
          onClose={() => setRenamed(undefined)}
        >
          <RenameForm film={renamed} onDone={() => setRenamed(undefined)} />
        </Drawer>
      )}
    </>
  );
}

function FilmStateCell({ film }: { film: Film }) {
  const { t, i18n } = useTranslation();
  const unfit = useUnfitText();
  const sent = useStore(sendings).some((sending) => sending.id === film.id);
  const word =
    film.state === 'uploading' && !sent ? t('films.interrupted') : t(`films.${film.state}`);
  return (
    <div className="desk-film-state" data-testid="film-state" data-state={film.state}>
      <StateTag tone={sent ? 'waiting' : FILM_TONE[film.state]}>{word}</StateTag>
      {film.state === 'importing' && <Progress percent={film.percent} size="small" />}
      {film.state === 'uploading' && !sent && (
        <span className="hint">
          {t('films.sent', { sent: sizeText(film.received), of: sizeText(film.length) })}
          {film.expires_at &&
            ` · ${t('films.expires', { at: dateTime(film.expires_at, i18n.language) })}`}
        </span>
      )}
      {film.waits_for_importer && <span className="hint">{t('films.waitsForImporter')}</span>}
      {film.state === 'refused' && <span className="hint">{unfit(film)}</span>}
    </div>
  );
}

interface ActionsProps {
  film: Film;
  onPreview: () => void;
  onRename: () => void;
}

function FilmActions({ film, onPreview, onRename }: ActionsProps) {
  const { t } = useTranslation();
  const { modal, message } = App.useApp();
  const sent = useStore(sendings).some((sending) => sending.id === film.id);
  const remove = useChange(() => removeFilm(film.id), keys.films, { done: t('films.removed') });
  const confirm = () =>
    void modal.confirm({
      title: t('films.removeTitle'),
      content: t('films.removeText'),
      okText: t('films.remove'),
      okButtonProps: { danger: true },
      cancelText: t('app.cancel'),
      onOk: () => remove.mutateAsync(undefined).catch(() => undefined),
    });
  const goOn = (file: File) => {
    if (file.size !== film.length) {
      void message.error(t('films.otherFile'));
      return false;
    }
    send({
      file,
      title: film.title,
      unitId: film.unit_id,
      id: film.id,
      onDone: () => {
        void message.success(t('films.done'));
        void queryClient.invalidateQueries({ queryKey: keys.films });
      },
    });
    return false;
  };
  return (
    <Space size={0} wrap>
      {film.state === 'ready' && (
        <Button type="link" size="small" data-testid="film-preview" onClick={onPreview}>
          {t('films.preview')}
        </Button>
      )}
      {film.state === 'uploading' && !sent ? (
        <Upload accept={ACCEPT} beforeUpload={goOn} showUploadList={false}>
          <Button type="link" size="small" data-testid="film-resume">
            {t('films.chooseAgain')}
          </Button>
        </Upload>
      ) : (
        <Button type="link" size="small" onClick={onRename}>
          {t('films.rename')}
        </Button>
      )}
      {!sent && (
        <Button
          type="link"
          size="small"
          disabled={film.lessons > 0}
          data-testid="film-remove"
          onClick={confirm}
        >
          {t('films.remove')}
        </Button>
      )}
    </Space>
  );
}

interface Draft {
  title: string;
  unit_id: string;
}

function UploadForm({ onDone }: { onDone: () => void }) {
  const { t } = useTranslation();
  const { message } = App.useApp();
  const units = useUnits();
  const session = client.session.get();
  const home = session.status === 'signed_in' ? session.me.unit.id : undefined;
  const [form] = Form.useForm<Draft>();
  const [file, setFile] = useState<File>();
  const required = { required: true, whitespace: true, message: t('desk.required') };
  const choose = (chosen: File) => {
    setFile(chosen);
    if (!form.getFieldValue('title')) form.setFieldValue('title', titleOf(chosen.name));
    // The form sends it, not the control.
    return false;
  };
  const begin = (draft: Draft) => {
    if (!file) return;
    send({
      file,
      title: draft.title,
      unitId: draft.unit_id,
      onDone: () => {
        void message.success(t('films.done'));
        void queryClient.invalidateQueries({ queryKey: keys.films });
      },
    });
    onDone();
  };
  return (
    <Form<Draft>
      form={form}
      layout="vertical"
      requiredMark={false}
      initialValues={{ unit_id: home }}
      onFinish={begin}
    >
      <Form.Item>
        <Upload.Dragger accept={ACCEPT} beforeUpload={choose} showUploadList={false}>
          <p className="ant-upload-drag-icon">
            <UploadOutlined />
          </p>
          <p className="ant-upload-text">
            {file ? `${file.name} · ${sizeText(file.size)}` : t('films.drop')}
          </p>
          <p className="ant-upload-hint">{t('films.dropHint')}</p>
        </Upload.Dragger>
      </Form.Item>
      <Form.Item name="title" label={t('films.name')} rules={[required]}>
        <Input maxLength={100} data-testid="film-title" />
      </Form.Item>
      <Form.Item name="unit_id" label={t('films.unit')} rules={[required]}>
        <TreeSelect treeData={unitTree(units.data ?? [])} treeDefaultExpandAll />
      </Form.Item>
      <Button type="primary" htmlType="submit" disabled={!file} block data-testid="film-send">
        {t('films.begin')}
      </Button>
    </Form>
  );
}

function RenameForm({ film, onDone }: { film: Film; onDone: () => void }) {
  const { t } = useTranslation();
  const rename = useChange(
    ({ title }: { title: string }) => renameFilm(film.id, title),
    keys.films,
    { onDone, inForm: true },
  );
  return (
    <Form
      layout="vertical"
      requiredMark={false}
      initialValues={{ title: film.title }}
      onFinish={rename.mutate}
    >
      <Form.Item
        name="title"
        label={t('films.name')}
        rules={[{ required: true, whitespace: true, message: t('desk.required') }]}
      >
        <Input maxLength={100} />
      </Form.Item>
      <Refusal error={rename.error} />
      <Button type="primary" htmlType="submit" loading={rename.isPending} block>
        {t('app.save')}
      </Button>
    </Form>
  );
}
