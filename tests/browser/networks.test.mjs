// @ts-check
/** Classes in hard networks: without UDP, and through a TURN server alone. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";

import {
  Server,
  eventually,
  freeTcpPort,
  launch,
  receivesFrames,
  receivesSound,
  signIn,
  throughPrejoin,
} from "./support.mjs";

const MEDIA_MS = 30_000;
const SECRET = "the-secret-that-both-servers-know";
/** Bytes of a few seconds of sound and picture. */
const CARRIED_BYTES = 20_000;

/** Teacher and learner in a running lesson, each in a browser of its own. */
class Class {
  /** @param {Server} server @param {RTCIceTransportPolicy} policy */
  static async begin(server, policy) {
    const lesson = new Class();
    try {
      await lesson.gather(server, policy);
    } catch (error) {
      await lesson.end();
      throw error;
    }
    return lesson;
  }

  /** @param {Server} server @param {RTCIceTransportPolicy} policy */
  async gather(server, policy) {
    this.browsers = [await launch(), await launch()];
    // A certificate of the server's own is one that nobody vouches for.
    const ignoreHTTPSErrors = true;
    this.teacher = await signIn(this.browsers[0], server, "teacher", { ignoreHTTPSErrors });
    await watchConnections(this.teacher, policy);
    await this.teacher.getByTestId("lesson-start").first().click();
    await throughPrejoin(this.teacher);
    this.learner = await signIn(this.browsers[1], server, "learner1", { ignoreHTTPSErrors });
    await watchConnections(this.learner, policy);
    await this.learner.getByTestId("lesson-join").first().click();
    await throughPrejoin(this.learner);
  }

  /** Picture and sound arrive, both ways. */
  async isWhole() {
    const { teacher, learner } = this;
    await eventually("the learner sees", MEDIA_MS, () => receivesFrames(learner, "camera", 30));
    await eventually("the teacher sees", MEDIA_MS, () => receivesFrames(teacher, "camera", 30));
    await eventually("the learner hears", MEDIA_MS, () => receivesSound(learner));
    await eventually("the teacher hears", MEDIA_MS, () => receivesSound(teacher));
  }

  async end() {
    for (const browser of this.browsers ?? []) await browser.close();
  }
}

/**
 * Keeps a list of the page's peer connections, and makes them use some candidates only. Connections
 * are made when a room is entered, so it is soon enough for a page that stands.
 * @param {any} page @param {RTCIceTransportPolicy} policy
 */
function watchConnections(page, policy) {
  return page.evaluate((/** @type {RTCIceTransportPolicy} */ iceTransportPolicy) => {
    const Original = window.RTCPeerConnection;
    /** @type {RTCPeerConnection[]} */ const connections = [];
    Object.assign(window, { __connections: connections });
    window.RTCPeerConnection = class extends Original {
      /** @param {RTCConfiguration} [configuration] */
      constructor(configuration) {
        super({ ...configuration, iceTransportPolicy });
        connections.push(this);
      }

      /** @param {RTCConfiguration} configuration */
      setConfiguration(configuration) {
        super.setConfiguration({ ...configuration, iceTransportPolicy });
      }
    };
  }, policy);
}

/**
 * The candidate pairs in use: what the browser's own end is, and how much went through.
 * @param {any} page
 * @returns {Promise<{type: string, protocol: string, relay?: string, remote: string, address: string, port: number, sent: number, received: number}[]>}
 */
function pairs(page) {
  return page.evaluate(async () => {
    const found = [];
    for (const connection of /** @type {any} */ (window).__connections) {
      const report = await connection.getStats();
      for (const transport of report.values()) {
        if (transport.type !== "transport") continue;
        const pair = report.get(transport.selectedCandidatePairId);
        const local = report.get(pair.localCandidateId);
        const remote = report.get(pair.remoteCandidateId);
        found.push({
          type: local.candidateType,
          protocol: local.protocol,
          relay: local.relayProtocol,
          remote: remote.protocol,
          address: remote.address,
          port: remote.port,
          sent: pair.bytesSent,
          received: pair.bytesReceived,
        });
      }
    }
    return found;
  });
}

/** coturn on loopback, believing passwords made with the shared secret. */
class Relay {
  static async start() {
    const relay = new Relay();
    relay.port = await freeTcpPort();
    relay.folder = mkdtempSync(join(tmpdir(), "mingtang-turn-"));
    relay.log = join(relay.folder, "log");
    relay.process = spawn(
      "turnserver",
      [
        ...["-n", "--no-cli", "--no-tls", "--no-dtls", "--no-multicast-peers", "--allow-loopback-peers"],
        ...["--use-auth-secret", `--static-auth-secret=${SECRET}`, "--realm=example.org", "--fingerprint"],
        ...["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", `--listening-port=${relay.port}`],
        ...["--verbose", "--simple-log", `--log-file=${relay.log}`, `--pidfile=${relay.folder}/pid`],
        ...[`--userdb=${relay.folder}/db`],
      ],
      { stdio: "ignore" },
    );
    await eventually("the relay listens", MEDIA_MS, async () => /listener opened/.test(relay.said()));
    return relay;
  }

  said() {
    try {
      return readFileSync(this.log, "utf8");
    } catch {
      return "";
    }
  }

  async close() {
    const gone = new Promise((resolve) => this.process.once("exit", resolve));
    if (this.process.exitCode === null && this.process.kill("SIGTERM")) await gone;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

describe("a class whose server offers no UDP", () => {
  /** @type {Server} */ let server;
  /** @type {Class} */ let lesson;

  after(async () => {
    await lesson?.end();
    await server?.close();
  });

  test("has picture and sound over the port of the web app", async () => {
    server = await Server.start({ options: ["--media-udp", "false"] });
    lesson = await Class.begin(server, "all");
    await lesson.isWhole();
    for (const page of [lesson.teacher, lesson.learner]) {
      const [pair, ...more] = await pairs(page);
      assert.deepEqual([pair.protocol, pair.remote, more.length], ["tcp", "tcp", 0]);
      assert.ok(pair.sent > CARRIED_BYTES && pair.received > CARRIED_BYTES, JSON.stringify(pair));
    }
  });
});

describe("a class whose server has one port for everything, with a certificate of its own", () => {
  /** @type {Server} */ let server;
  /** @type {Class} */ let lesson;

  after(async () => {
    await lesson?.end();
    await server?.close();
  });

  test("has the page by HTTPS, and picture and sound, over that port", async () => {
    server = await Server.start({ options: ["--tls", "self-signed", "--media-udp", "false"] });
    lesson = await Class.begin(server, "all");
    await lesson.isWhole();
    for (const page of [lesson.teacher, lesson.learner]) {
      const secured = await page.evaluate(() => [location.protocol, window.isSecureContext]);
      assert.deepEqual(secured, ["https:", true]);
      const [pair, ...more] = await pairs(page);
      assert.deepEqual([pair.protocol, pair.port, more.length], ["tcp", server.ports.http, 0]);
      assert.ok(pair.sent > CARRIED_BYTES && pair.received > CARRIED_BYTES, JSON.stringify(pair));
    }
  });
});

describe("a class at an IPv6 address", () => {
  /** @type {Server} */ let server;
  /** @type {Class} */ let lesson;

  after(async () => {
    await lesson?.end();
    await server?.close();
  });

  test("has picture and sound", async () => {
    server = await Server.start({ host: "[::1]" });
    lesson = await Class.begin(server, "all");
    await lesson.isWhole();
    const [pair] = await pairs(lesson.learner);
    assert.deepEqual([pair.protocol, pair.address], ["udp", "::1"]);
  });
});

for (const transport of ["udp", "tcp"]) {
  describe(`a class whose browsers reach nothing but a TURN server, by ${transport}`, () => {
    /** @type {Relay} */ let relay;
    /** @type {Server} */ let server;
    /** @type {Class} */ let lesson;

    after(async () => {
      await lesson?.end();
      await server?.close();
      await relay?.close();
    });

    test("has picture and sound, all of it relayed", async () => {
      relay = await Relay.start();
      const url = `turn:127.0.0.1:${relay.port}?transport=${transport}`;
      const config = `turn_urls = ["${url}"]\nturn_secret = "${SECRET}"\n`;
      server = await Server.start({ config });
      const doctor = server.command("doctor");
      assert.match(doctor.output, /turn .*relays, and takes our passwords/);
      lesson = await Class.begin(server, "relay");
      await lesson.isWhole();
      for (const page of [lesson.teacher, lesson.learner]) {
        const [pair, ...more] = await pairs(page);
        assert.deepEqual([pair.type, pair.relay, more.length], ["relay", transport, 0]);
        assert.ok(pair.sent > CARRIED_BYTES && pair.received > CARRIED_BYTES, JSON.stringify(pair));
      }
      assert.match(relay.said(), /ALLOCATE processed, success/);
    });

    test("a wrong secret is found by the doctor", () => {
      const path = join(server.data, "wrong.toml");
      const url = `turn:127.0.0.1:${relay.port}?transport=${transport}`;
      writeFileSync(path, `turn_urls = ["${url}"]\nturn_secret = "not-the-secret-of-the-relay"\n`);
      const { status, output } = server.command("doctor", "--config", path);
      assert.equal(status, 1, output);
      assert.match(output, /MEND +turn .*static-auth-secret/);
    });
  });
}
