// @ts-check
/** A real server and real browsers: the built binary in demo mode, Debian's Chromium with fake devices. */

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSocket } from "node:dgram";
import { fileURLToPath } from "node:url";

const project = fileURLToPath(new URL("../../", import.meta.url));
const { chromium } = createRequire(join(project, "web/package.json"))("playwright-core");

export const DEMO_PASSWORD = "mingtang-demo";
const READY_MS = 60_000;

export function binary() {
  const target = process.env.CARGO_TARGET_DIR ?? join(project, "target");
  return process.env.MINGTANG_BIN ?? join(target, "debug/mingtang");
}

/** @returns {Promise<number>} */
export function freeTcpPort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      const port = typeof address === "object" && address ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

/** A UDP port that is free at the moment. @returns {Promise<number>} */
export function freeUdpPort() {
  return new Promise((resolve, reject) => {
    const probe = createSocket("udp4");
    probe.once("error", reject);
    probe.bind(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

export class Server {
  /** @param {{http: number, media: number}} ports a media port of 0 is any @param {string} data @param {string[]} options @param {string} host */
  constructor(ports, data, options, host) {
    this.ports = ports;
    this.host = host;
    this.data = data;
    this.options = options;
    this.url = `${options.includes("--tls") ? "https" : "http"}://${host}:${ports.http}`;
    this.log = join(data, "server.log");
  }

  /** @param {{options?: string[], config?: string, host?: string, media?: number}} [settings] further options, a file, an address, the first UDP port */
  static async start({ options = [], config, host = "127.0.0.1", media = 0 } = {}) {
    const ports = { http: await freeTcpPort(), media };
    const data = mkdtempSync(join(tmpdir(), "mingtang-browser-"));
    if (config) writeFileSync(join(data, "mingtang.toml"), config);
    const server = new Server(ports, data, options, host);
    await server.run();
    return server;
  }

  /** Starts the process (again) on the same ports and data, and waits until it is ready. */
  async run() {
    const log = openSync(this.log, "a");
    this.process = spawn(
      binary(),
      [
        ...["serve", "--demo", "--listen", `${this.host}:${this.ports.http}`],
        ...["--media-port", String(this.ports.media), "--data-dir", this.data],
        ...this.options,
      ],
      { stdio: ["ignore", log, log] },
    );
    await eventually("the server is ready", READY_MS, async () => {
      if (this.process?.exitCode !== null) throw new Error(readFileSync(this.log, "utf8"));
      return this.isReady();
    });
  }

  /** @returns {Promise<boolean>} */
  async isReady() {
    const address = `${this.url}/readyz`;
    if (address.startsWith("http:")) return (await fetch(address).catch(() => undefined))?.ok === true;
    const certificate = join(this.data, "tls/certificate.pem");
    if (!existsSync(certificate)) return false;
    return new Promise((resolve) => {
      const request = get(address, { ca: readFileSync(certificate) }, (answer) => {
        answer.resume();
        resolve(answer.statusCode === 200);
      });
      request.on("error", () => resolve(false));
    });
  }

  /** Ends the process as a power cut would. */
  async kill() {
    const gone = new Promise((resolve) => this.process?.once("exit", resolve));
    this.process?.kill("SIGKILL");
    await gone;
  }

  async close() {
    const gone = new Promise((resolve) => this.process?.once("exit", resolve));
    if (this.process?.exitCode === null && this.process.kill("SIGTERM")) await gone;
    rmSync(this.data, { recursive: true, force: true });
  }

  /** Runs `mingtang` with this server's data directory. @param {string[]} args */
  command(...args) {
    const run = spawnSync(binary(), [...args, "--data-dir", this.data], { encoding: "utf8" });
    return { status: run.status, output: `${run.stdout}${run.stderr}` };
  }

  /** One call of the HTTP API. @param {string} method @param {string} path @param {object} [body] @param {string} [bearer] */
  async call(method, path, body, bearer) {
    const answer = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        "content-type": "application/json",
        ...(bearer ? { authorization: `Bearer ${bearer}` } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : undefined;
  }

  /** @param {string} username @returns {Promise<string>} */
  async login(username) {
    const session = await this.call("POST", "/api/auth/login", { username, password: DEMO_PASSWORD });
    return session.access_token;
  }
}

/**
 * A browser process of its own with a fake camera, microphone and screen.
 * @param {string} [camera] a Motion JPEG file to play instead of the test pattern
 */
export async function launch(camera) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--autoplay-policy=no-user-gesture-required",
      "--use-fake-ui-for-media-stream",
      "--use-fake-device-for-media-stream=fps=15",
      ...(camera ? [`--use-file-for-fake-video-capture=${camera}`] : []),
      "--disable-backgrounding-occluded-windows",
      "--disable-renderer-backgrounding",
    ],
  });
}

/** Signs a person in on a fresh page. @param {any} browser @param {Server} server @param {string} username */
export async function signIn(browser, server, username, options = {}) {
  const context = await browser.newContext({
    locale: "zh-CN",
    viewport: { width: 1440, height: 900 },
    permissions: ["camera", "microphone"],
    ...options,
  });
  await context.addInitScript(() => localStorage.setItem("mingtang.test", "1"));
  const page = await context.newPage();
  page.on("pageerror", (/** @type {Error} */ error) => console.error(`page of ${username}:`, error));
  await page.goto(server.url);
  await page.getByTestId("login-username").fill(username);
  await page.getByTestId("login-password").fill(DEMO_PASSWORD);
  await page.getByTestId("login-submit").click();
  await page.getByTestId("lesson-card").first().waitFor();
  return page;
}

/**
 * Polls until `holds` answers true; time is a limit here, never a measurement.
 * @param {string} what @param {number} limitMs @param {() => Promise<boolean>} holds
 */
export async function eventually(what, limitMs, holds) {
  const deadline = Date.now() + limitMs;
  while (Date.now() < deadline) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`not within ${limitMs} ms: ${what}`);
}

/**
 * What the page's room receives of every other participant, from WebRTC's own statistics.
 * @param {any} page
 * @returns {Promise<Record<string, {kind: string, source: string, frames: number, energy: number, packets: number}[]>>}
 */
export function received(page) {
  return page.evaluate(async () => {
    const room = /** @type {any} */ (window).__room;
    /** @type {Record<string, any[]>} */
    const seen = {};
    for (const participant of room?.remoteParticipants.values() ?? []) {
      const tracks = [];
      for (const publication of participant.trackPublications.values()) {
        const report = await publication.track?.receiver?.getStats();
        for (const stat of report?.values() ?? []) {
          if (stat.type !== "inbound-rtp") continue;
          tracks.push({
            kind: stat.kind,
            source: publication.source,
            frames: stat.framesDecoded ?? 0,
            energy: stat.totalAudioEnergy ?? 0,
            packets: stat.packetsReceived ?? 0,
          });
        }
      }
      seen[participant.identity] = tracks;
    }
    return seen;
  });
}

/** Frames decoded and audio energy of the first other participant that has them. @param {any} page @param {string} source */
export async function receivesFrames(page, source, atLeast = 10) {
  const tracks = Object.values(await received(page)).flat();
  return tracks.some((track) => track.source === source && track.frames >= atLeast);
}

/** @param {any} page */
export async function receivesSound(page) {
  const tracks = Object.values(await received(page)).flat();
  return tracks.some((track) => track.kind === "audio" && track.energy > 0.001);
}

/**
 * Keeps a screenshot for people to look at, where MINGTANG_TEST_PICTURES names a folder.
 * @param {any} page @param {string} name
 */
export async function picture(page, name) {
  const folder = process.env.MINGTANG_TEST_PICTURES;
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`) });
}

/** Past the check of the devices, into the room. @param {any} page */
export async function throughPrejoin(page) {
  await page.getByTestId("prejoin-join").click();
  await page.getByTestId("stage").first().waitFor();
}

/**
 * A learner who attends: answers every prompt that comes, by the mouse.
 * @param {any} page
 */
export function attending(page) {
  /** @type {Set<string>} */ const answered = new Set();
  let going = true;
  const card = page.getByTestId("prompt-card").and(page.locator('[data-phase="asking"]'));
  const work = (async () => {
    while (going) {
      // A card may close between two looks; then there is nothing to answer.
      await answer(card, answered).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  })();
  return {
    answered,
    stop: () => {
      going = false;
      return work;
    },
  };
}

/** @param {any} card @param {Set<string>} answered */
async function answer(card, answered) {
  if (!(await card.isVisible())) return;
  const kind = await card.getAttribute("data-kind", { timeout: 500 });
  const option = card.getByTestId("prompt-option").first();
  if (kind === "question") await option.click({ timeout: 500 });
  await card.getByTestId("prompt-answer").click({ timeout: 500 });
  answered.add(kind);
}

const axe = readFileSync(join(project, "web/node_modules/axe-core/axe.min.js"), "utf8");

/**
 * Serious and critical faults that axe finds on the page, each with the place.
 * @param {any} page @returns {Promise<string[]>}
 */
export async function faults(page) {
  // Evaluated, because the page's own policy lets no script in.
  await page.evaluate(`${axe};0`);
  return page.evaluate(async () => {
    const { violations } = await /** @type {any} */ (window).axe.run();
    return violations
      .filter((/** @type {any} */ found) => ["serious", "critical"].includes(found.impact))
      .map((/** @type {any} */ found) => `${found.id}: ${found.nodes[0].html.slice(0, 200)}`);
  });
}

/** The lesson that runs now. @param {Server} server @param {string} bearer @returns {Promise<string>} */
export async function liveLesson(server, bearer) {
  const { items } = await server.call("GET", "/api/lessons?scope=today", undefined, bearer);
  return items.find((/** @type {any} */ lesson) => lesson.state === "live").id;
}
