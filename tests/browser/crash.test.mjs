// @ts-check
/** The server dies in the middle of a class: people come back by themselves and lose next to nothing. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import {
  Server,
  attending,
  eventually,
  launch,
  liveLesson,
  received,
  receivesFrames,
  signIn,
  throughPrejoin,
} from "./support.mjs";

const RETURN_MS = 60_000;
/** Credit that a crash may cost each learner, seconds. */
const LOST_SECONDS_MAX = 15;

describe("a server killed in the middle of a class", () => {
  /** @type {Server} */ let server;
  /** @type {any} */ let browser;
  /** @type {any} */ let teacher;
  /** @type {any} */ let learner;
  /** @type {ReturnType<typeof attending>} */ let robot;

  before(async () => {
    server = await Server.start();
    browser = await launch();
    teacher = await signIn(browser, server, "teacher");
    await teacher.getByTestId("lesson-start").first().click();
    await throughPrejoin(teacher);
    learner = await signIn(browser, server, "learner1");
    await learner.getByTestId("lesson-join").first().click();
    await throughPrejoin(learner);
    robot = attending(learner);
    await eventually("the class is up", RETURN_MS, () => receivesFrames(learner, "camera"));
  });

  after(async () => {
    await robot?.stop();
    await browser?.close();
    await server?.close();
  });

  test("browsers come back by themselves, at most 15 s of credit are lost, the ledger is whole", async () => {
    const bearer = await server.login("teacher");
    const lesson = await liveLesson(server, bearer);
    await eventually("some credit is earned", 3 * RETURN_MS, async () => (await credited()) > 20);
    const before = await credited();

    await server.kill();
    const killedAt = Date.now();
    await server.run();
    await eventually("the learner sees the teacher again", RETURN_MS, async () => {
      const frames = await decoded(learner);
      await new Promise((resolve) => setTimeout(resolve, 500));
      return frames > 0 && (await decoded(learner)) > frames;
    });
    const backAt = Date.now();
    await eventually("credit goes on", 3 * RETURN_MS, async () => (await credited()) > before);
    const attendance = await record();
    const lost = secondsLost(attendance.stretches, backAt - killedAt);
    assert.ok(lost <= LOST_SECONDS_MAX, `lost ${lost} s: ${JSON.stringify(attendance)}`);
    const { status, output } = server.command("ledger", "verify");
    assert.equal(status, 0, output);

    async function credited() {
      const board = await server.call("GET", `/api/lessons/${lesson}/board`, undefined, bearer);
      return Math.max(...board.rows.map((/** @type {any} */ row) => row.credited_seconds));
    }
  });

  async function record() {
    const own = await server.login("learner1");
    const { items } = await server.call("GET", "/api/me/attendances", undefined, own);
    return server.call("GET", `/api/attendances/${items[0].id}`, undefined, own);
  }
});

/**
 * Seconds from the first to the last credited moment that neither count nor belong to the outage.
 * @param {{from: string, to: string, seconds: number, verdict: string}[]} stretches
 * @param {number} outageMs
 */
function secondsLost(stretches, outageMs) {
  const credited = stretches.filter((one) => one.verdict === "credited");
  const from = Math.min(...credited.map((one) => Date.parse(one.from)));
  const to = Math.max(...credited.map((one) => Date.parse(one.to)));
  const seconds = credited.reduce((sum, one) => sum + one.seconds, 0);
  const lost = (to - from - outageMs) / 1000 - seconds;
  console.log(`an outage of ${outageMs} ms cost ${lost.toFixed(1)} s of credit beyond it`);
  return lost;
}

/** Frames decoded of all cameras. @param {any} page @returns {Promise<number>} */
async function decoded(page) {
  const tracks = Object.values(await received(page)).flat();
  return tracks.reduce((sum, track) => sum + track.frames, 0);
}
