// @ts-check
/** LiveKit's client in a browser, in both of its layouts, against everything that it relies on. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Client, LIMIT_MS, Line, QUALITIES, Site, own, token } from "./livekit.mjs";
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

for (const [name, singlePeerConnection] of /** @type {[string, boolean][]} */ ([
  ["one peer connection (v1)", true],
  ["two peer connections (v0)", false],
])) {
  describe(`LiveKit's client over ${name}`, () => {
    const room = singlePeerConnection ? "one" : "two";
    /** @type {Line} */ let line;
    /** @type {Client} */ let teacher;
    /** @type {Client} */ let learner;

    /** @param {string} identity @param {object} [options] */
    function enter(identity, options = {}) {
      const where = { browser, site, address: line.url, room, identity };
      return Client.enter(where, { singlePeerConnection, ...options });
    }

    /** The learner says how well it wants to see the teacher. @param {number} quality */
    function choose(quality) {
      return learner.do((quality) => {
        const teacher = own().room.remoteParticipants.get("teacher");
        teacher.getTrackPublication("camera").setVideoQuality(quality);
      }, quality);
    }

    /** The room's administrator changes somebody's rights. @param {Client} client @param {object} rights */
    function allow({ identity }, rights) {
      const permission = { canSubscribe: true, canPublish: true, canPublishData: true, ...rights };
      const bearer = token("administrator", { room, roomAdmin: true });
      const method = "/twirp/livekit.RoomService/UpdateParticipant";
      return server.call("POST", method, { room, identity, permission }, bearer);
    }

    before(async () => {
      line = await Line.lay(server.ports.http);
      teacher = await enter("teacher", { dynacast: true });
      learner = await enter("learner");
      await teacher.publish();
      await learner.do(() => own().hum());
    });

    after(async () => {
      await teacher?.leave();
      await learner?.leave();
      await line?.close();
    });

    test("picture and sound arrive, and the layout is the one asked for", async () => {
      await learner.sees(teacher);
      await learner.hearsTone(teacher);
      await teacher.hearsTone(learner);
      const mode = await learner.do(() => own().room.engine.pcManager.mode);
      assert.equal(mode, singlePeerConnection ? "publisher-only" : "subscriber-primary");
    });

    test("three layers are sent, and the viewer chooses which it sees", async () => {
      await eventually("all layers are sent", LIMIT_MS, async () => {
        const sent = Object.values(await teacher.sent());
        return sent.length === 3 && sent.every(({ frames }) => frames > 10);
      });
      await learner.seesWide(teacher, 1280);
      for (const { quality, width } of QUALITIES) {
        await choose(quality);
        await learner.seesWide(teacher, width);
      }
    });

    test("a layer that nobody watches is not encoded, and comes back when somebody does", async () => {
      await choose(0);
      await learner.seesWide(teacher, 320);
      await eventually("the high layers rest", LIMIT_MS, async () => {
        const { h, f } = await teacher.sent();
        return !h.active && !f.active;
      });
      const resting = await teacher.sent();
      await eventually("the low layer goes on alone", LIMIT_MS, async () => {
        return (await teacher.sent()).q.frames > resting.q.frames + 15;
      });
      const { h, f } = await teacher.sent();
      assert.deepEqual([h.frames, f.frames], [resting.h.frames, resting.f.frames]);
      await choose(2);
      await learner.seesWide(teacher, 1280);
    });

    test("a picture is as large as it is shown, and not sent while it is not", async () => {
      const viewer = await enter("viewer", { adaptiveStream: true });
      await viewer.sees(teacher);
      await viewer.do(() => {
        const video = own()
          .room.remoteParticipants.get("teacher")
          .getTrackPublication("camera")
          .track.attach();
        video.style.cssText = "width: 320px; height: 180px";
        own().document.body.append(video);
        own().show = (/** @type {string} */ style) => Object.assign(video.style, style);
      });
      await viewer.seesWide(teacher, 320);
      await viewer.do(() => own().show({ width: "1280px", height: "720px" }));
      await viewer.seesWide(teacher, 1280);
      await viewer.do(() => own().show({ display: "none" }));
      await viewer.seesNothingOf(teacher);
      await viewer.do(() => own().show({ display: "block", width: "320px", height: "180px" }));
      await viewer.seesWide(teacher, 320);
      await viewer.leave();
      await teacher.hears("participantDisconnected viewer");
    });

    test("who mutes is heard and seen no more, and again afterwards", async () => {
      const since = (await learner.heard()).length;
      await teacher.do(() => own().room.localParticipant.setCameraEnabled(false));
      await learner.hears("trackMuted camera teacher", since);
      await learner.seesNothingOf(teacher);
      await teacher.do(() => own().room.localParticipant.setCameraEnabled(true));
      await learner.hears("trackUnmuted camera teacher", since);
      await learner.sees(teacher);
      await teacher.do(() => own().room.localParticipant.setMicrophoneEnabled(false));
      await learner.hears("trackMuted microphone teacher", since);
      await teacher.do(() => own().room.localParticipant.setMicrophoneEnabled(true));
      await learner.hears("trackUnmuted microphone teacher", since);
      await learner.hearsTone(teacher);
    });

    test("who speaks is told while they do", async () => {
      const speaks = (/** @type {boolean} */ wanted) =>
        eventually(`the learner ${wanted ? "speaks" : "is silent"}`, LIMIT_MS, async () => {
          const told = await Promise.all([
            teacher.do(() => own().room.activeSpeakers.map((/** @type {any} */ one) => one.identity)),
            learner.do(() => own().room.activeSpeakers.map((/** @type {any} */ one) => one.identity)),
          ]);
          return told.every((speakers) => speakers.includes("learner") === wanted);
        });
      await speaks(true);
      await learner.do(() => (own().loudness.value = 0));
      await speaks(false);
      await learner.do(() => (own().loudness.value = 1));
      await speaks(true);
    });

    test("messages arrive both ways, as packets and as text streams", async () => {
      for (const client of [teacher, learner]) {
        await client.do(() => {
          own().texts = [];
          own().room.registerTextStreamHandler(
            "chat",
            async (/** @type {any} */ reader, /** @type {any} */ sender) => {
              own().texts.push(`${sender.identity}: ${await reader.readAll()}`);
            },
          );
        });
      }
      const long = "长".repeat(30_000);
      for (const [from, to] of [
        [teacher, learner],
        [learner, teacher],
      ]) {
        for (const reliable of [true, false]) {
          const text = `${reliable ? "reliable" : "lossy"}：${from.identity} 好`;
          await from.do(
            ({ text, reliable }) =>
              own().room.localParticipant.publishData(new TextEncoder().encode(text), { reliable }),
            { text, reliable },
          );
          await to.hears(new RegExp(`^dataReceived ${text} ${from.identity}`));
        }
        await from.do((text) => own().room.localParticipant.sendText(text, { topic: "chat" }), long);
        await eventually("the text is whole", LIMIT_MS, async () => {
          const texts = await to.do(() => own().texts);
          return texts.includes(`${from.identity}: ${long}`);
        });
      }
    });

    test("everybody learns how good connections are, their own and of those they watch", async () => {
      for (const whose of ["teacher", "learner"]) {
        await learner.hears(new RegExp(`^connectionQualityChanged (excellent|good) ${whose}$`));
      }
      await teacher.hears(/^connectionQualityChanged (excellent|good) learner$/);
    });

    test("who may not watch any more is sent nothing, whatever it asks, until it may again", async () => {
      const since = (await learner.heard()).length;
      await allow(learner, { canSubscribe: false });
      await learner.hears("trackUnsubscribed camera camera teacher", since);
      await learner.isSentNoPicture(teacher);
      await learner.do(() =>
        own().room.remoteParticipants.get("teacher").getTrackPublication("camera").setSubscribed(true),
      );
      await learner.hears(/^trackSubscriptionFailed/, since);
      await learner.isSentNoPicture(teacher);
      await allow(learner, {});
      await learner.sees(teacher);
      await learner.hearsTone(teacher);
    });

    test("who may not publish any more is seen by nobody, until it may again", async () => {
      const [since, before] = [(await learner.heard()).length, (await teacher.heard()).length];
      await allow(teacher, { canPublish: false });
      await learner.hears("trackUnpublished camera teacher", since);
      await learner.isSentNoPicture(teacher);
      await teacher.hears(/^participantPermissionsChanged/, before);
      const refused = teacher.publish();
      await assert.rejects(refused, /permissions/);
      await allow(teacher, {});
      await eventually("the teacher may publish", LIMIT_MS, () =>
        teacher.do(() => own().room.localParticipant.permissions.canPublish),
      );
      await teacher.publish();
      await learner.sees(teacher);
      await learner.hearsTone(teacher);
    });

    test("signalling that is cut is resumed beneath a call that goes on", async () => {
      const clients = [teacher, learner];
      const sids = await Promise.all(clients.map((client) => client.sid()));
      const since = await Promise.all(clients.map(async (client) => (await client.heard()).length));
      line.cut();
      await Promise.all(clients.map((client, n) => client.hears("signalReconnecting", since[n])));
      await learner.sees(teacher);
      await teacher.hearsTone(learner);
      line.mend();
      await Promise.all(clients.map((client, n) => client.hears("reconnected", since[n])));
      await learner.sees(teacher);
      await teacher.hearsTone(learner);
      assert.deepEqual(await Promise.all(clients.map((client) => client.sid())), sids);
      for (const [n, client] of clients.entries()) {
        const heard = (await client.heard()).slice(since[n]);
        const unwanted = heard.filter((line) =>
          /^(participant|reconnecting|track(Uns|S)ubscribed)/.test(line),
        );
        assert.deepEqual(unwanted, []);
      }
      await choose(0);
      await learner.seesWide(teacher, 320);
    });

    test("who begins anew comes in anew, and everything is there again", async () => {
      const sid = await learner.sid();
      const since = (await teacher.heard()).length;
      const before = (await learner.heard()).length;
      await learner.do(() => own().room.simulateScenario("full-reconnect"));
      await learner.hears("reconnected", before);
      await teacher.hears("participantDisconnected learner", since);
      await teacher.hears("participantConnected learner", since);
      assert.notEqual(await learner.sid(), sid);
      await learner.sees(teacher);
      await learner.hearsTone(teacher);
      await teacher.hearsTone(learner);
    });
  });
}
