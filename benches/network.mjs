// @ts-check
/**
 * Pictures and sound over bad networks, by the browser's own account of freezes and concealment.
 *
 *     node benches/network.mjs [--seed 7] [--json]
 *
 * Starts a demo server of the built binary (MINGTANG_BIN) and two browsers, with a relay between the
 * learner's and the media port; ends by itself. The aim: the picture stands still for less than 5 %
 * of the time, less than 5 % of the sound is made up, and a widened way is used within 5 s.
 */

import { parseArgs } from "node:util";

import { Relay } from "./relay.mjs";
import {
  Server,
  attending,
  eventually,
  launch,
  freeUdpPort,
  receivesFrames,
  signIn,
  throughPrejoin,
} from "../tests/browser/support.mjs";

const MEDIA_MS = 30_000;
const SECOND = 1_000;

const { values } = parseArgs({
  options: { seed: { type: "string", default: "7" }, json: { type: "boolean", default: false } },
});

const media = await freeUdpPort();
// One port, so that all media goes through the relay.
const server = await Server.start({ media, options: ["--media-threads", "1"] });
const relay = await Relay.start(server.ports.media, Number(values.seed));
const teacherBrowser = await launch();
const learnerBrowser = await launch();
try {
  const teacher = await signIn(teacherBrowser, server, "teacher");
  await teacher.getByTestId("lesson-start").first().click();
  await throughPrejoin(teacher);
  const learner = await signIn(learnerBrowser, server, "learner1");
  await relay.take(learner);
  await learner.reload();
  await learner.getByTestId("lesson-join").first().click();
  await throughPrejoin(learner);
  const robot = attending(learner);
  await eventually("the learner sees the teacher", MEDIA_MS, () => receivesFrames(learner, "camera"));
  show(await measure(learner));
  await robot.stop();
} finally {
  await teacherBrowser.close();
  await learnerBrowser.close();
  relay.close();
  await server.close();
}

/** @param {any} learner */
async function measure(learner) {
  Object.assign(relay, { lossPercent: 10, delayMs: 25, jitterMs: 50 });
  await pass(5 * SECOND);
  const lossy = await during(learner, 20 * SECOND);
  Object.assign(relay, { lossPercent: 0, delayMs: 0, jitterMs: 0, bitsPerSecond: 3_000_000 });
  await pass(6 * SECOND);
  const wide = await during(learner, 4 * SECOND);
  relay.bitsPerSecond = 300_000;
  await pass(5 * SECOND);
  const narrow = await during(learner, 15 * SECOND);
  relay.bitsPerSecond = 3_000_000;
  await pass(5 * SECOND);
  const again = await during(learner, 5 * SECOND);
  return { "10 % loss, 50 ms jitter": lossy, "3 Mbit/s": wide, "300 kbit/s": narrow, "3 Mbit/s again": again };
}

/** @param {Record<string, any>} measured */
function show(measured) {
  if (values.json) console.log(JSON.stringify(measured));
  else console.table(measured);
}

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
    heldMs: ((after.held - before.held) * 1000) / Math.max(after.emitted - before.emitted, 1),
    kbps: ((after.bytes - before.bytes) * 8) / 1000 / seconds,
  };
}

/** @param {any} page */
function account(page) {
  return page.evaluate(async () => {
    const room = /** @type {any} */ (window).__room;
    const now = { at: performance.now(), width: 0, bytes: 0, held: 0, emitted: 0 };
    const sum = { ...now, frozen: 0, concealed: 0, samples: 0, frames: 0 };
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
            sum.held += stat.jitterBufferDelay ?? 0;
            sum.emitted += stat.jitterBufferEmittedCount ?? 0;
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
