import { Upload, type DetailedError } from 'tus-js-client';
import { client, parseProblem } from '../../api/client';
import type { Problem } from '../../lib/result';
import { createStore } from '../../lib/store';

/** A piece is sent anew when its connection breaks: as large as a poor line takes in a minute. */
const PIECE_BYTES = 4 << 20;
/** Waits between attempts after a broken connection, milliseconds; then it waits for a person. */
const RETRY_MS = [0, 1000, 3000, 5000, 10_000, 20_000, 30_000];
const ENDPOINT = '/api/library/uploads';

export interface Sending {
  /** Known once the server has taken it. */
  id?: string;
  title: string;
  sent: number;
  length: number;
  state: 'sending' | 'paused' | 'failed';
  problem?: Problem;
}

interface Running {
  upload: Upload;
  sending: Sending;
}

/** What this page sends at present; it goes on while one works on other pages of the desk. */
export const sendings = createStore<readonly Sending[]>([]);
let running: Running[] = [];

const show = () => sendings.set(running.map((one) => one.sending));

function change(one: Running, part: Partial<Sending>): void {
  one.sending = { ...one.sending, ...part };
  show();
}

function drop(one: Running): void {
  running = running.filter((other) => other !== one);
  show();
}

/** What the server said of a piece, or that no answer came. */
function problemOf(error: Error): Problem {
  const response = 'originalResponse' in error ? (error as DetailedError).originalResponse : null;
  if (!response) return { status: 0, code: 'app.network', zh: '', en: '' };
  return parseProblem(response.getStatus(), response.getBody());
}

interface Start {
  file: File;
  title: string;
  unitId: string;
  /** An upload that was begun before. */
  id?: string;
  onDone: () => void;
}

/** Sends a film, or the rest of one. */
export function send({ file, title, unitId, id, onDone }: Start): void {
  const upload = new Upload(file, {
    endpoint: ENDPOINT,
    uploadUrl: id === undefined ? null : `${ENDPOINT}/${id}`,
    chunkSize: PIECE_BYTES,
    retryDelays: RETRY_MS,
    metadata: { title, unit_id: unitId },
    // The server's list of unfinished uploads is the memory.
    storeFingerprintForResuming: false,
    onBeforeRequest: (request) =>
      request.setHeader('Authorization', `Bearer ${client.accessToken() ?? ''}`),
    onShouldRetry: (error) => {
      const status = error.originalResponse?.getStatus() ?? 0;
      if (status === 401) void client.refresh();
      return status === 0 || status === 401 || status === 409 || status === 423 || status >= 500;
    },
    onUploadUrlAvailable: () => change(one, { id: upload.url?.split('/').pop() }),
    onProgress: (sent) => change(one, { sent }),
    onError: (error) => change(one, { state: 'failed', problem: problemOf(error) }),
    onSuccess: () => {
      drop(one);
      onDone();
    },
  });
  const one: Running = {
    upload,
    sending: { id, title, sent: 0, length: file.size, state: 'sending' },
  };
  running = [...running, one];
  show();
  upload.start();
}

const named = (sending: Sending) => running.find((one) => one.sending === sending);

export function pause(sending: Sending): void {
  const one = named(sending);
  if (!one) return;
  void one.upload.abort();
  change(one, { state: 'paused' });
}

export function goOn(sending: Sending): void {
  const one = named(sending);
  if (!one) return;
  change(one, { state: 'sending', problem: undefined });
  one.upload.start();
}

/** Stops sending, and lets the server forget what came. */
export async function cancel(sending: Sending): Promise<void> {
  const one = named(sending);
  if (!one) return;
  drop(one);
  await one.upload.abort(true).catch(() => undefined);
}
