// @ts-check
/** Spatial layers in one stream: LiveKit's client publishes VP9 and AV1, and each viewer gets the layer it asks for. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Client, LIMIT_MS, Line, QUALITIES, Site, own } from "./livekit.mjs";
import { Server, eventually, launch } from "./support.mjs";

/** @type {Server} */ let server;
/** @type {Site} */ let site;
/** @type {any} */ let browser;

before(async () => {
  server = await Server.start();
  site = await Site.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await site?.close();
  await server?.close();
});

for (const [videoCodec, singlePeerConnection] of /** @type {[string, boolean][]} */ ([
  ["vp9", true],
  ["vp9", false],
  ["av1", true],
])) {
  describe(`${videoCodec} in layers over ${singlePeerConnection ? "one" : "two"}`, () => {
    const room = `${videoCodec}-${singlePeerConnection}`;
    /** @type {Line} */ let line;
    /** @type {Client} */ let teacher;
    /** @type {Record<string, Client>} */ const viewers = {};

    /** @param {string} identity */
    function enter(identity) {
      const where = { browser, site, address: line.url, room, identity };
      return Client.enter(where, { singlePeerConnection });
    }

    /** @param {Client} viewer @param {number} quality */
    function choose(viewer, quality) {
      return viewer.do((quality) => {
        const teacher = own().room.remoteParticipants.get("teacher");
        teacher.getTrackPublication("camera").setVideoQuality(quality);
      }, quality);
    }

    /** What a viewer's decoder says of the teacher's picture. @param {Client} viewer */
    function decoded(viewer) {
      return viewer.do(async () => {
        const teacher = own().room.remoteParticipants.get("teacher");
        const report = await teacher.getTrackPublication("camera").track.receiver.getStats();
        const stats = [...report.values()];
        const stream = stats.find((stat) => stat.type === "inbound-rtp");
        const codec = stats.find((stat) => stat.id === stream.codecId);
        const { frameWidth: width, framesDecoded: frames, freezeCount: freezes } = stream;
        return { width, frames, freezes, mime: codec?.mimeType };
      });
    }

    before(async () => {
      line = await Line.lay(server.ports.http);
      teacher = await enter("teacher");
      for (const identity of ["low", "high"]) viewers[identity] = await enter(identity);
      await teacher.do((videoCodec) => {
        const capture = { resolution: { width: 1280, height: 720, frameRate: 15 } };
        const publish = { videoCodec, scalabilityMode: "L3T3_KEY", backupCodec: false };
        return own().room.localParticipant.setCameraEnabled(true, capture, publish);
      }, videoCodec);
    });

    after(async () => {
      for (const client of [teacher, ...Object.values(viewers)]) await client?.leave();
      await line?.close();
    });

    test("one stream is sent, and its track tells of three layers", async () => {
      await viewers.high.seesWide(teacher, 1280);
      assert.equal(Object.keys(await teacher.sent()).length, 1);
      const { mime } = await decoded(viewers.high);
      assert.equal(mime?.toLowerCase(), `video/${videoCodec}`);
      const told = await viewers.high.do(() => {
        const teacher = own().room.remoteParticipants.get("teacher");
        const { layers, mimeType } = teacher.getTrackPublication("camera").trackInfo;
        return { widths: layers.map((/** @type {any} */ layer) => layer.width), mimeType };
      });
      assert.deepEqual(told.widths, [320, 640, 1280]);
      assert.equal(told.mimeType.toLowerCase(), `video/${videoCodec}`);
    });

    test("each viewer gets the layer that it asks for, while another gets its own", async () => {
      for (const { quality, width } of [...QUALITIES, ...QUALITIES.toReversed()]) {
        await choose(viewers.low, quality);
        await viewers.low.seesWide(teacher, width);
        assert.equal((await decoded(viewers.high)).width, 1280);
      }
    });

    test("a picture goes on without a stop while nobody asks for another", async () => {
      await viewers.low.seesWide(teacher, 320);
      const before = { low: await decoded(viewers.low), high: await decoded(viewers.high) };
      await eventually("five seconds of pictures were shown to both", LIMIT_MS, async () => {
        const [low, high] = [await decoded(viewers.low), await decoded(viewers.high)];
        return low.frames > before.low.frames + 60 && high.frames > before.high.frames + 60;
      });
      for (const who of /** @type {("low" | "high")[]} */ (["low", "high"])) {
        assert.equal((await decoded(viewers[who])).freezes, before[who].freezes, who);
      }
    });
  });
}
