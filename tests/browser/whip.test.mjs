// @ts-check
/** Chromium with nothing but RTCPeerConnection and fetch as a device of WHIP and a player of WHEP. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { token } from "./livekit.mjs";
import { Server, eventually, launch } from "./support.mjs";

const LIMIT_MS = 60_000;

/** What the page knows: a device and a player, made of the browser's own parts. */
function install() {
  /** @param {string} description @param {string} name */
  const value = (description, name) => description.match(new RegExp(`a=${name}:(\\S+)`))?.[1] ?? "";

  class Session {
    /** @param {string} bearer */
    constructor(bearer) {
      this.bearer = bearer;
      this.connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
      this.trickled = [];
    }

    /** @param {string} method @param {string} address @param {object} headers @param {string} [body] */
    call(method, address, headers, body) {
      const authorization = `Bearer ${this.bearer}`;
      return fetch(address, { method, body, headers: { authorization, ...headers } });
    }

    /** @param {string} address */
    async open(address) {
      const trickling = this.#trickle();
      await this.connection.setLocalDescription();
      const offer = this.connection.localDescription?.sdp ?? "";
      const answer = await this.call("POST", address, { "content-type": "application/sdp" }, offer);
      if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
      this.address = answer.headers.get("location") ?? "";
      this.tag = answer.headers.get("etag") ?? "";
      this.answer = await answer.text();
      await this.connection.setRemoteDescription({ type: "answer", sdp: this.answer });
      for (const candidate of await trickling) {
        const fragment = `${this.#credentials(offer)}a=mid:${candidate.sdpMid}\r\na=${candidate.candidate}\r\n`;
        this.trickled.push((await this.#patch(this.tag, fragment)).status);
      }
    }

    /** All candidates, once gathered. */
    #trickle() {
      /** @type {RTCIceCandidate[]} */ const candidates = [];
      return new Promise((resolve) => {
        this.connection.onicecandidate = ({ candidate }) => {
          if (candidate) candidates.push(candidate);
          else resolve(candidates);
        };
      });
    }

    /** @param {string} offer */
    #credentials(offer) {
      return `a=ice-ufrag:${value(offer, "ice-ufrag")}\r\na=ice-pwd:${value(offer, "ice-pwd")}\r\n`;
    }

    /** @param {string} tag @param {string} fragment */
    #patch(tag, fragment) {
      const headers = { "content-type": "application/trickle-ice-sdpfrag", "if-match": tag };
      return this.call("PATCH", this.address, headers, fragment);
    }

    async restart() {
      const old = value(this.answer, "ice-ufrag");
      this.connection.restartIce();
      await this.connection.setLocalDescription();
      const offer = this.connection.localDescription?.sdp ?? "";
      const answer = await this.#patch('"*"', this.#credentials(offer));
      if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`);
      this.tag = answer.headers.get("etag") ?? "";
      const fragment = await answer.text();
      this.answer = this.answer
        .replaceAll(/a=ice-ufrag:\S+/g, `a=ice-ufrag:${value(fragment, "ice-ufrag")}`)
        .replaceAll(/a=ice-pwd:\S+/g, `a=ice-pwd:${value(fragment, "ice-pwd")}`);
      await this.connection.setRemoteDescription({ type: "answer", sdp: this.answer });
      return { old, now: value(fragment, "ice-ufrag") };
    }

    async end() {
      const answer = await this.call("DELETE", this.address, {});
      this.connection.close();
      return answer.status;
    }

    /** @param {string} type */
    async stats(type) {
      const all = [...(await this.connection.getStats()).values()];
      return all.filter((stat) => stat.type === type);
    }
  }

  Object.assign(window, {
    /** @param {string} address @param {string} bearer */
    publish: async (address, bearer) => {
      const video = { width: 1280, height: 720 };
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video });
      const session = new Session(bearer);
      const [audio] = stream.getAudioTracks();
      const [picture] = stream.getVideoTracks();
      session.connection.addTransceiver(audio, { direction: "sendonly", streams: [stream] });
      const layers = [
        { rid: "q", scaleResolutionDownBy: 4 },
        { rid: "h", scaleResolutionDownBy: 2 },
        { rid: "f" },
      ];
      session.connection.addTransceiver(picture, {
        direction: "sendonly",
        streams: [stream],
        sendEncodings: layers,
      });
      await session.open(address);
      return session;
    },
    /** @param {string} address @param {string} bearer */
    watch: async (address, bearer) => {
      const session = new Session(bearer);
      const streams = new Set();
      const screen = document.createElement("video");
      screen.autoplay = true;
      document.body.append(screen);
      session.connection.ontrack = (event) => {
        streams.add(event.streams[0].id);
        screen.srcObject = event.streams[0];
      };
      for (const kind of ["audio", "video"]) {
        session.connection.addTransceiver(kind, { direction: "recvonly" });
      }
      await session.open(address);
      return Object.assign(session, { streams });
    },
  });
}

describe("a browser without any library", () => {
  /** @type {Server} */ let server;
  /** @type {any} */ let browser;
  /** @type {any} */ let page;

  before(async () => {
    server = await Server.start();
    browser = await launch();
    page = await (await browser.newContext({ permissions: ["camera", "microphone"] })).newPage();
    await page.goto(server.url);
    await page.evaluate(install);
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  /** @param {"publish" | "watch"} what @param {string} path @param {string} identity */
  function open(what, path, identity) {
    const bearer = token(identity, { room: path.split("/")[2], roomJoin: true });
    return page.evaluateHandle(
      (/** @type {any} */ { what, path, bearer }) => /** @type {any} */ (window)[what](path, bearer),
      { what, path, bearer },
    );
  }

  /** @param {any} session @param {string} type @returns {Promise<any[]>} */
  function stats(session, type) {
    return session.evaluate((/** @type {any} */ own, /** @type {string} */ type) => own.stats(type), type);
  }

  /** Picture frames and sound energy that a player has had. @param {any} player */
  async function shown(player) {
    const streams = await stats(player, "inbound-rtp");
    const of = (/** @type {string} */ kind) => streams.find((stream) => stream.kind === kind) ?? {};
    const { framesDecoded = 0, frameWidth = 0 } = of("video");
    return { frames: framesDecoded, width: frameWidth, energy: of("audio").totalAudioEnergy ?? 0 };
  }

  /** @param {string} what @param {any} player */
  async function plays(what, player) {
    const before = await shown(player);
    await eventually(what, LIMIT_MS, async () => {
      const now = await shown(player);
      return now.frames > before.frames + 10 && now.energy > before.energy;
    });
  }

  test("publishes in three layers, and a player that was first sees the highest", async () => {
    const player = await open("watch", "/whep/hall/terminal", "wall");
    const device = await open("publish", "/whip/hall", "terminal");
    await plays("sound and picture", player);
    await eventually("all layers are sent", LIMIT_MS, async () => {
      const sent = await stats(device, "outbound-rtp");
      const flowing = sent.filter((stream) => stream.rid && stream.packetsSent > 0);
      return flowing.length === 3;
    });
    await eventually("the picture is whole", LIMIT_MS, async () => (await shown(player)).width === 1280);
    const told = await player.evaluate((/** @type {any} */ own) => ({
      streams: own.streams.size,
      trickled: own.trickled,
    }));
    assert.equal(told.streams, 1, "sound and picture in one stream");
    assert.ok(told.trickled.length > 0);
    assert.ok(
      told.trickled.every((/** @type {number} */ status) => status === 204),
      `${told.trickled}`,
    );
    assert.equal(await device.evaluate((/** @type {any} */ own) => own.end()), 200);
    assert.equal(await player.evaluate((/** @type {any} */ own) => own.end()), 200);
  });

  test("a player goes on when its device comes again, and both after a restart of ICE", async () => {
    const player = await open("watch", "/whep/yard/terminal", "wall");
    await open("publish", "/whip/yard", "terminal");
    await plays("the first device", player);
    const device = await open("publish", "/whip/yard", "terminal");
    await plays("the second one", player);
    for (const session of [device, player]) {
      const { old, now } = await session.evaluate((/** @type {any} */ own) => own.restart());
      assert.notEqual(old, now);
      await eventually("the new pair is in use", LIMIT_MS, async () => {
        const candidates = await stats(session, "remote-candidate");
        return candidates.some((candidate) => candidate.usernameFragment === now);
      });
      await plays("after the restart", player);
    }
  });
});
