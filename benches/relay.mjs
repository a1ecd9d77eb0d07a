// @ts-check
/**
 * A bad network for media: a relay between a page and the server's media port that loses, delays,
 * reorders and narrows what goes through it. (Kernels without netem know no other way.)
 */

import { createSocket } from "node:dgram";

/** Longest queue before the bottleneck, milliseconds; what does not fit is lost. */
const QUEUE_MS = 400;

export class Relay {
  /** What every packet suffers; changed at any time. */
  lossPercent = 0;
  delayMs = 0;
  jitterMs = 0;
  /** Towards the page, bit/s. */
  bitsPerSecond = Infinity;

  /** @type {Map<string, import("node:dgram").Socket>} */ #clients = new Map();
  #free = 0;
  #state = 1;

  /** @param {number} serverPort @param {number} seed */
  constructor(serverPort, seed) {
    this.serverPort = serverPort;
    this.#state = seed;
    console.error(`relay seed ${seed}`);
    this.socket = createSocket("udp4");
    this.socket.on("message", (packet, from) => this.#up(packet, from));
  }

  /** @param {number} serverPort @param {number} seed */
  static async start(serverPort, seed) {
    const relay = new Relay(serverPort, seed);
    await new Promise((resolve) => relay.socket.bind(0, "127.0.0.1", () => resolve(undefined)));
    return relay;
  }

  get port() {
    return this.socket.address().port;
  }

  /** Lets a page's connections run through here. @param {any} page */
  async take(page) {
    await page.addInitScript(
      (/** @type {{server: number, relay: number}} */ ports) => {
        const set = RTCPeerConnection.prototype.setRemoteDescription;
        RTCPeerConnection.prototype.setRemoteDescription = function (description) {
          const sdp = (description?.sdp ?? "")
            .replaceAll(` ${ports.server} typ host`, ` ${ports.relay} typ host`)
            .replaceAll(/a=candidate:\S+ 1 tcp .*\r\n/g, "");
          return set.call(this, { type: description?.type ?? "offer", sdp });
        };
      },
      { server: this.serverPort, relay: this.port },
    );
  }

  close() {
    this.socket.close();
    for (const client of this.#clients.values()) client.close();
  }

  /** @param {Buffer} packet @param {{address: string, port: number}} from */
  #up(packet, from) {
    const client = this.#client(from);
    this.#later(0, () => client.send(packet, this.serverPort, "127.0.0.1"));
  }

  /** @param {Buffer} packet @param {{address: string, port: number}} to */
  #down(packet, to) {
    const now = performance.now();
    const start = Math.max(now, this.#free);
    const end = start + (packet.length * 8_000) / this.bitsPerSecond;
    if (end - now > QUEUE_MS) return;
    this.#free = end;
    this.#later(end - now, () => this.socket.send(packet, to.port, to.address));
  }

  /** @param {number} queuedMs @param {() => void} send */
  #later(queuedMs, send) {
    if (this.#chance() * 100 < this.lossPercent) return;
    const wait = queuedMs + this.delayMs + this.#chance() * this.jitterMs;
    if (wait < 1) send();
    else setTimeout(send, wait);
  }

  /** @param {{address: string, port: number}} from */
  #client(from) {
    const name = `${from.address}:${from.port}`;
    const known = this.#clients.get(name);
    if (known) return known;
    const client = createSocket("udp4");
    client.on("message", (packet) => this.#down(packet, from));
    this.#clients.set(name, client);
    return client;
  }

  /** Between 0 and 1 (mulberry32). */
  #chance() {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}
