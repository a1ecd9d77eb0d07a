// @ts-check
/** LiveKit's own client for browsers, unmodified, on a bare page of another origin than the server's. */

import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { eventually } from "./support.mjs";

/** LiveKit's numbers of qualities, and how wide each is of a picture of 1280. */
export const QUALITIES = [
  { quality: 0, width: 320 },
  { quality: 1, width: 640 },
  { quality: 2, width: 1280 },
];

const project = fileURLToPath(new URL("../../", import.meta.url));
const library = join(project, "web/node_modules/livekit-client/dist/livekit-client.umd.js");
/** Most time that anything here may take on a busy machine. */
export const LIMIT_MS = 60_000;

/**
 * A token by the key of demo servers.
 * @param {string} identity @param {object} grant as in the `video` claim
 */
export function token(identity, grant) {
  const part = (/** @type {object} */ value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + 600;
  const claims = { iss: "devkey", sub: identity, exp, video: grant };
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${text}.${createHmac("sha256", "secret").update(text).digest("base64url")}`;
}

/** Serves the bare page, with nothing on it but the library. */
export class Site {
  /** @param {import("node:http").Server} server @param {number} port */
  constructor(server, port) {
    this.server = server;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async start() {
    const script = readFileSync(library);
    const page = "<!doctype html><title>bare</title><script src=/client.js></script>";
    const server = createHttpServer((request, answer) => {
      const isScript = request.url === "/client.js";
      answer.setHeader("content-type", isScript ? "text/javascript" : "text/html");
      answer.end(isScript ? script : page);
    });
    return new Site(server, await listen(server));
  }

  async close() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** The way of a page's signalling to the server, which can be cut. Media goes another way. */
export class Line {
  /** @param {number} port the server's */
  constructor(port) {
    /** @type {Set<import("node:net").Socket>} */ this.ends = new Set();
    this.isCut = false;
    this.url = "";
    this.server = createServer((near) => {
      if (this.isCut) return near.destroy();
      const far = connect(port, "127.0.0.1");
      for (const [end, other] of [
        [near, far],
        [far, near],
      ]) {
        this.ends.add(end);
        end.on("error", () => end.destroy());
        end.on("close", () => {
          this.ends.delete(end);
          other.destroy();
        });
        end.pipe(other);
      }
    });
  }

  /** @param {number} port the server's */
  static async lay(port) {
    const line = new Line(port);
    line.url = `ws://127.0.0.1:${await listen(line.server)}`;
    return line;
  }

  /** Ends every connection without a farewell, and lets no new one through. */
  cut() {
    this.isCut = true;
    for (const end of this.ends) end.destroy();
  }

  mend() {
    this.isCut = false;
  }

  async close() {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** @param {import("node:net").Server} server @returns {Promise<number>} */
function listen(server) {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address ? address.port : 0);
    });
  });
}

/** What the page knows: a room, what it was told, and what there is to measure. */
function install() {
  const library = /** @type {any} */ (window).LivekitClient;
  const { Room, RoomEvent } = library;
  /** @type {string[]} */ const heard = [];
  /** @type {any} */ let room;
  /** Every event of interest, and whom it is about. */
  const told = [
    RoomEvent.ParticipantConnected,
    RoomEvent.ParticipantDisconnected,
    RoomEvent.TrackMuted,
    RoomEvent.TrackUnmuted,
    RoomEvent.TrackSubscribed,
    RoomEvent.TrackUnsubscribed,
    RoomEvent.TrackUnpublished,
    RoomEvent.TrackSubscriptionFailed,
    RoomEvent.ParticipantPermissionsChanged,
    RoomEvent.SignalReconnecting,
    RoomEvent.Reconnecting,
    RoomEvent.Reconnected,
    RoomEvent.Disconnected,
    RoomEvent.ConnectionQualityChanged,
    RoomEvent.ActiveSpeakersChanged,
    RoomEvent.DataReceived,
  ];

  /** Names in what an event comes with: identities, texts, and what is no object. @param {any} value @returns {string} */
  function name(value) {
    if (value instanceof Uint8Array) return new TextDecoder().decode(value);
    if (Array.isArray(value)) return `[${value.map(name)}]`;
    if (value?.identity) return value.identity;
    if (value?.source) return value.source;
    return typeof value === "object" ? "" : String(value);
  }

  Object.assign(window, {
    /** @param {string} address @param {string} bearer @param {object} options */
    enter: async (address, bearer, options) => {
      room = new Room(options);
      for (const event of told) {
        room.on(event, (/** @type {any[]} */ ...values) => {
          heard.push([event, ...values.map(name).filter(Boolean)].join(" "));
        });
      }
      // Sound that nobody plays has no energy.
      room.on(RoomEvent.TrackSubscribed, (/** @type {any} */ track) => {
        if (track.kind === library.Track.Kind.Audio) document.body.append(track.attach());
      });
      await room.connect(address, bearer);
      Object.assign(window, { room, heard });
    },
    /** A tone that can be turned on and off, as a microphone. */
    hum: async () => {
      const context = new AudioContext();
      const tone = new OscillatorNode(context);
      const gain = new GainNode(context);
      const way = new MediaStreamAudioDestinationNode(context);
      tone.connect(gain).connect(way);
      tone.start();
      const [track] = way.stream.getAudioTracks();
      await room.localParticipant.publishTrack(track, { source: library.Track.Source.Microphone });
      Object.assign(window, { loudness: gain.gain });
    },
    /** Encodings that are sent of the camera, by rid. */
    sent: async () => {
      const publication = room.localParticipant.getTrackPublication(library.Track.Source.Camera);
      const report = await publication.track.sender.getStats();
      const streams = [...report.values()].filter((stat) => stat.type === "outbound-rtp");
      const known = streams.map(({ rid, active, framesEncoded }) => [
        rid,
        { active, frames: framesEncoded ?? 0 },
      ]);
      return Object.fromEntries(known);
    },
    /** Packets of pictures that came on any connection, whatever the room makes of them. */
    arrived: async () => {
      const { publisher, subscriber } = room.engine.pcManager;
      let packets = 0;
      for (const side of [publisher, subscriber]) {
        for (const stat of (await side?.getStats())?.values() ?? []) {
          if (stat.type === "inbound-rtp" && stat.kind === "video") packets += stat.packetsReceived;
        }
      }
      return packets;
    },
    /** What arrived of somebody's track so far. @param {string} identity @param {string} source */
    received: async (identity, source) => {
      const publication = room.remoteParticipants.get(identity)?.getTrackPublication(source);
      const report = (await publication?.track?.receiver?.getStats()) ?? new Map();
      const stream = [...report.values()].find((stat) => stat.type === "inbound-rtp") ?? {};
      return {
        frames: stream.framesDecoded ?? 0,
        width: stream.frameWidth ?? 0,
        packets: stream.packetsReceived ?? 0,
        energy: stream.totalAudioEnergy ?? 0,
      };
    },
  });
}

/**
 * @typedef {{frames: number, width: number, packets: number, energy: number}} Received
 * @typedef {Record<string, {active: boolean, frames: number}>} Sent
 */

/** Somebody in a room, on a page of its own. */
export class Client {
  /** @param {any} page @param {string} identity */
  constructor(page, identity) {
    this.page = page;
    this.identity = identity;
  }

  /**
   * @param {{browser: any, site: Site, address: string, room: string, identity: string}} where
   * @param {object} [options] of LiveKit's `Room`
   * @param {object} [grant] beside joining
   */
  static async enter({ browser, site, address, room, identity }, options = {}, grant = {}) {
    const bearer = token(identity, { room, roomJoin: true, ...grant });
    return Client.join({ browser, site, address, bearer, identity }, options);
  }

  /**
   * The same with a token that somebody else made.
   * @param {{browser: any, site: Site, address: string, bearer: string, identity: string}} where
   * @param {object} [options] of LiveKit's `Room`
   */
  static async join({ browser, site, address, bearer, identity }, options = {}) {
    const context = await browser.newContext({ permissions: ["camera", "microphone"] });
    const page = await context.newPage();
    page.on("pageerror", (/** @type {Error} */ error) => console.error(`page of ${identity}:`, error));
    await page.goto(site.url);
    await page.evaluate(install);
    const client = new Client(page, identity);
    await client.do(({ address, bearer, options }) => own().enter(address, bearer, options), {
      address,
      bearer,
      options,
    });
    return client;
  }

  /** Does something in the page, where `own()` is its window. @param {(given: any) => any} work @param {any} [given] */
  do(work, given) {
    const text = `(given) => { const own = () => window; return (${work})(given); }`;
    return this.page.evaluate(`(${text})(${JSON.stringify(given) ?? "undefined"})`);
  }

  /** @returns {Promise<string>} */
  sid() {
    return this.do(() => own().room.localParticipant.sid);
  }

  /** Camera in three layers, and a tone. */
  async publish() {
    await this.do(() =>
      own().room.localParticipant.setCameraEnabled(true, {
        resolution: { width: 1280, height: 720, frameRate: 15 },
      }),
    );
    await this.do(() => own().hum());
  }

  /** @returns {Promise<Sent>} */
  sent() {
    return this.do(() => own().sent());
  }

  /** @param {Client} other @param {"camera" | "microphone"} source @returns {Promise<Received>} */
  received(other, source) {
    return this.do(({ identity, source }) => own().received(identity, source), {
      identity: other.identity,
      source,
    });
  }

  /** What the page was told, in order. @returns {Promise<string[]>} */
  heard() {
    return this.do(() => own().heard);
  }

  /** @param {string | RegExp} wanted @param {number} [since] how much was told before */
  async hears(wanted, since = 0) {
    /** @type {string[]} */ let heard = [];
    try {
      await eventually(`${this.identity} hears ${wanted}`, LIMIT_MS, async () => {
        heard = (await this.heard()).slice(since);
        return heard.some((line) =>
          typeof wanted === "string" ? `${line} `.startsWith(`${wanted} `) : wanted.test(line),
        );
      });
    } catch (error) {
      throw new Error(`but: ${heard.slice(-20).join("; ")}`, { cause: error });
    }
  }

  /** Waits until so many more pictures of another were shown. @param {Client} other */
  async sees(other, more = 10) {
    const before = (await this.received(other, "camera")).frames;
    await eventually(`${this.identity} sees ${other.identity}`, LIMIT_MS, async () => {
      const { frames } = await this.received(other, "camera");
      // A new stream counts from nothing.
      return frames > before + more || (frames < before && frames > more);
    });
  }

  /** Waits until another's tone goes on. @param {Client} other */
  async hearsTone(other) {
    const before = (await this.received(other, "microphone")).energy;
    await eventually(`${this.identity} hears ${other.identity}`, LIMIT_MS, async () => {
      const { energy } = await this.received(other, "microphone");
      return energy > before || (energy < before && energy > 0);
    });
  }

  /** Waits until another's picture is so wide. @param {Client} other @param {number} width */
  async seesWide(other, width) {
    await eventually(`${this.identity} sees ${other.identity} ${width} pixels wide`, LIMIT_MS, async () => {
      return (await this.received(other, "camera")).width === width;
    });
    await this.sees(other);
  }

  /**
   * Waits until another's picture stands still while its sound goes on: the sound is the clock.
   * @param {Client} other
   */
  async seesNothingOf(other) {
    await eventually(`${this.identity} sees nothing of ${other.identity}`, LIMIT_MS, async () => {
      const picture = await this.received(other, "camera");
      const { packets } = await this.received(other, "microphone");
      await eventually("sound goes on", LIMIT_MS, async () => {
        return (await this.received(other, "microphone")).packets > packets + TELLING_PACKETS;
      });
      return (await this.received(other, "camera")).frames === picture.frames;
    });
  }

  /**
   * Waits until no picture comes at all, while another hears this one's tone: that is the clock.
   * @param {Client} other
   */
  async isSentNoPicture(other) {
    await eventually(`${this.identity} is sent no picture`, LIMIT_MS, async () => {
      const before = await this.do(() => own().arrived());
      const { packets } = await other.received(this, "microphone");
      await eventually("sound goes on", LIMIT_MS, async () => {
        return (await other.received(this, "microphone")).packets > packets + TELLING_PACKETS;
      });
      return (await this.do(() => own().arrived())) <= before;
    });
  }

  async leave() {
    await this.do(() => own().room?.disconnect());
    await this.page.context().close();
  }
}

/** So many packets of sound (20 ms each) within which several pictures would have come. */
const TELLING_PACKETS = 40;

/** The window of a page, for code that runs there ({@link Client.do}). @returns {any} */
export function own() {
  throw new Error("in a page only");
}
