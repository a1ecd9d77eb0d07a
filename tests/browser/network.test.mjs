// @ts-check
/** Pictures and sound over bad networks, by the browser's own account of freezes and concealment. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Relay } from "./relay.mjs";
import { Server, attending, eventually, launch, receivesFrames, signIn, throughPrejoin } from "./support.mjs";

const MEDIA_MS = 30_000;
const SECOND = 1_000;
/** Share of time that the picture may stand still, and of sound that may be made up. */
const FREEZE_MAX = 0.05;
const CONCEALED_MAX = 0.05;
/** The same where a tenth is lost both ways: what repetition cannot mend before its frame is due. */
const LOSSY_FREEZE_MAX = 0.2;

describe("a learner on a bad network", () => {
  /** @type {Server} */ let server;
  /** @type {Relay} */ let relay;
  /** @type {any} */ let teacherBrowser;
  /** @type {any} */ let learnerBrowser;
  /** @type {any} */ let learner;
  /** @type {ReturnType<typeof attending>} */ let robot;

  before(async () => {
    server = await Server.start();
    relay = await Relay.start(server.ports.media, 7);
    teacherBrowser = await launch();
    learnerBrowser = await launch();
    const teacher = await signIn(teacherBrowser, server, "teacher");
    await teacher.getByTestId("lesson-start").first().click();
    await throughPrejoin(teacher);
    learner = await signIn(learnerBrowser, server, "learner1");
    await relay.take(learner);
    await learner.reload();
    await learner.getByTestId("lesson-join").first().click();
    await throughPrejoin(learner);
    robot = attending(learner);
    await eventually("the learner sees the teacher", MEDIA_MS, () => receivesFrames(learner, "camera"));
  });

  after(async () => {
    await robot?.stop();
    await teacherBrowser?.close();
    await learnerBrowser?.close();
    relay?.close();
    await server?.close();
  });

  test("10 % loss and 50 ms of jitter: the picture moves on and the sound is whole", async () => {
    Object.assign(relay, { lossPercent: 10, delayMs: 25, jitterMs: 50 });
    await pass(5 * SECOND);
    const seen = await during(learner, 20 * SECOND);
    Object.assign(relay, { lossPercent: 0, delayMs: 0, jitterMs: 0 });
    console.log(JSON.stringify(seen));
    assert.ok(seen.frozen < LOSSY_FREEZE_MAX, JSON.stringify(seen));
    assert.ok(seen.concealed < CONCEALED_MAX, JSON.stringify(seen));
    assert.ok(seen.framesPerSecond > 5, JSON.stringify(seen));
  });

  test("3 Mbit/s, then 300 kbit/s, then 3 Mbit/s: the picture follows and comes back", async () => {
    relay.bitsPerSecond = 3_000_000;
    await pass(6 * SECOND);
    const wide = await during(learner, 4 * SECOND);
    relay.bitsPerSecond = 300_000;
    await pass(5 * SECOND);
    const narrow = await during(learner, 15 * SECOND);
    relay.bitsPerSecond = 3_000_000;
    await pass(5 * SECOND);
    const again = await during(learner, 5 * SECOND);
    console.log(JSON.stringify({ wide, narrow, again }));
    assert.ok(narrow.frozen < FREEZE_MAX, JSON.stringify(narrow));
    assert.ok(narrow.concealed < CONCEALED_MAX, JSON.stringify(narrow));
    assert.ok(again.frozen < FREEZE_MAX, JSON.stringify(again));
    assert.ok(again.width >= wide.width, JSON.stringify({ wide, again }));
  });
});

/** @param {number} ms */
function pass(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What the page received of the teacher in a stretch of time. @param {any} page @param {number} ms */
async function during(page, ms) {
  const before = await account(page);
  await pass(ms);
  const after = await account(page);
  const seconds = (after.at - before.at) / SECOND;
  const samples = Math.max(after.samples - before.samples, 1);
  return {
    frozen: (after.frozen - before.frozen) / seconds,
    concealed: (after.concealed - before.concealed) / samples,
    framesPerSecond: (after.frames - before.frames) / seconds,
    width: after.width,
    kbps: ((after.bytes - before.bytes) * 8) / 1000 / seconds,
  };
}

/** @param {any} page */
function account(page) {
  return page.evaluate(async () => {
    const room = /** @type {any} */ (window).__room;
    const sum = { at: performance.now(), frozen: 0, concealed: 0, samples: 0, frames: 0, width: 0, bytes: 0 };
    for (const participant of room.remoteParticipants.values()) {
      for (const publication of participant.trackPublications.values()) {
        const report = await publication.track?.receiver?.getStats();
        for (const stat of report?.values() ?? []) {
          if (stat.type !== "inbound-rtp") continue;
          if (stat.kind === "video") {
            sum.frozen += stat.totalFreezesDuration ?? 0;
            sum.frames += stat.framesDecoded ?? 0;
            sum.width = Math.max(sum.width, stat.frameWidth ?? 0);
            sum.bytes += stat.bytesReceived ?? 0;
          } else {
            // Silence that is played because nothing was sent is not made up.
            sum.concealed += (stat.concealedSamples ?? 0) - (stat.silentConcealedSamples ?? 0);
            sum.samples += stat.totalSamplesReceived ?? 0;
          }
        }
      }
    }
    return sum;
  });
}
