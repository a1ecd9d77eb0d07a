// @ts-check
/** A class is recorded by the server and played again: in step, over a restart, and as one file. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import {
  Server,
  eventually,
  faults,
  launch,
  liveLesson,
  picture,
  receivesFrames,
  signIn,
  throughPrejoin,
} from "./support.mjs";

const MEDIA_MS = 20_000;
/** A segment has at most 10 s, and a busy machine needs time to write it. */
const SEGMENT_MS = 60_000;
/** Sound and picture may lie so far apart, seconds. */
const APART_MAX = 0.2;

describe("a recorded class", () => {
  /** @type {Server} */ let server;
  /** @type {any} */ let teacherBrowser;
  /** @type {any} */ let learnerBrowser;
  /** @type {any} */ let teacher;
  /** @type {any} */ let learner;
  /** @type {string} */ let bearer;
  /** @type {string} */ let recording;

  before(async () => {
    server = await Server.start();
    teacherBrowser = await launch();
    learnerBrowser = await launch();
    teacher = await signIn(teacherBrowser, server, "teacher");
    await teacher.getByTestId("lesson-start").first().click();
    await throughPrejoin(teacher);
    learner = await signIn(learnerBrowser, server, "learner1");
    await learner.getByTestId("lesson-join").first().click();
    await throughPrejoin(learner);
    bearer = await server.login("teacher");
  });

  after(async () => {
    await teacherBrowser?.close();
    await learnerBrowser?.close();
    await server?.close();
  });

  const detail = async () => {
    const { items } = await server.call(
      "GET",
      "/api/recordings",
      undefined,
      bearer,
    );
    recording = items[0].id;
    return server.call(
      "GET",
      `/api/recordings/${recording}`,
      undefined,
      bearer,
    );
  };
  /** Every track has so many entries. @param {number} least */
  const written = async (least) => {
    const { tracks } = await detail();
    return (
      tracks.length >= 4 &&
      tracks.every((/** @type {any} */ track) => track.entries >= least)
    );
  };

  test("everybody is told as long as it is recorded", async () => {
    await eventually("the teacher sees the learner", MEDIA_MS, () =>
      receivesFrames(teacher, "camera"),
    );
    await teacher.getByTestId("lesson-record").click();
    await teacher.getByTestId("recorded").waitFor();
    await learner.getByTestId("recorded").waitFor();
    await picture(learner, "recorded-class");
  });

  test("sound and pictures of all are written in segments", async () => {
    await eventually("two segments of each track", SEGMENT_MS, () =>
      written(2),
    );
    const lesson = await liveLesson(server, bearer);
    await server.call(
      "POST",
      `/api/lessons/${lesson}/recording`,
      { action: "stop" },
      bearer,
    );
    await learner.getByTestId("recorded").waitFor({ state: "detached" });
    await eventually(
      "all is written",
      SEGMENT_MS,
      async () => (await detail()).state === "ended",
    );
    const { tracks } = await detail();
    for (const track of tracks) {
      assert.equal(track.uncovered_ms, 0, track.source);
      assert.ok(
        track.recorded_ms > 8_000,
        `${track.source}: ${track.recorded_ms}`,
      );
    }
    const verified = server.command("recording", "verify");
    assert.equal(verified.status, 0, verified.output);
  });

  test("each segment of pictures plays by itself", async () => {
    const { tracks } = await detail();
    const camera = tracks.find(
      (/** @type {any} */ track) => track.source === "camera",
    );
    const path = `/api/recordings/${recording}/tracks/${camera.id}`;
    const { items } = await server.call(
      "GET",
      `${path}/entries`,
      undefined,
      bearer,
    );
    const segments = items.filter((/** @type {any} */ entry) => entry.segment);
    assert.ok(
      segments.length >= 2 &&
        segments.every((/** @type {any} */ one) => one.segment.independent),
    );
    for (const { sequence } of segments) {
      const shown = await plays(
        teacher,
        `${path}/segments/${sequence}`,
        bearer,
      );
      assert.ok(shown.width > 0 && shown.frames > 0, JSON.stringify(shown));
    }
  });

  test("the player shows all tracks in step", async () => {
    await teacher.goto(`${server.url}/desk/recordings`);
    await teacher.getByTestId("recording-open").first().click();
    await teacher.getByTestId("recording-toggle").click();
    const pictures = teacher.locator(
      '[data-testid="recording-picture"][data-showing="playing"]',
    );
    await eventually(
      "two pictures play",
      MEDIA_MS,
      async () => (await pictures.count()) === 2,
    );
    const began = await positions(teacher);
    await eventually("time goes on", MEDIA_MS, async () =>
      (await positions(teacher)).every(
        (at, index) => at > (began[index] ?? 0) + 2,
      ),
    );
    const at = await positions(teacher);
    const apart = Math.max(...at) - Math.min(...at);
    assert.ok(apart < APART_MAX, `apart by ${apart} s: ${at}`);
    await picture(teacher, "recording-player");
    assert.deepEqual(await faults(teacher), []);
  });

  test("the export is one file that plays", async () => {
    const shown = await plays(
      teacher,
      `/api/recordings/${recording}/export`,
      bearer,
    );
    assert.ok(
      shown.width > 0 && shown.frames > 0 && shown.hasSound,
      JSON.stringify(shown),
    );
  });
});

/** Where each sound and picture is. @param {any} page @returns {Promise<number[]>} */
function positions(page) {
  return page.evaluate(() =>
    [...document.querySelectorAll(".recording video, .recording audio")].map(
      (element) => /** @type {HTMLMediaElement} */ (element).currentTime,
    ),
  );
}

/**
 * Plays a file of the API in an element of its own until it shows something.
 * @param {any} page @param {string} path @param {string} bearer
 * @returns {Promise<{width: number, frames: number, hasSound: boolean, error?: string}>}
 */
function plays(page, path, bearer) {
  return page.evaluate(
    async (/** @type {{path: string, bearer: string}} */ asked) => {
      const headers = { authorization: `Bearer ${asked.bearer}` };
      const answer = await fetch(asked.path, { headers });
      const video = document.createElement("video");
      video.muted = true;
      video.src = URL.createObjectURL(await answer.blob());
      const over = new Promise((resolve) => {
        video.onerror = () => resolve(video.error?.message);
        video.requestVideoFrameCallback(() => resolve(undefined));
        setTimeout(() => resolve("nothing came"), 15_000);
      });
      await video.play().catch(() => undefined);
      const error = await over;
      await new Promise((resolve) => setTimeout(resolve, 500));
      const any = /** @type {any} */ (video);
      return {
        width: video.videoWidth,
        frames: video.getVideoPlaybackQuality().totalVideoFrames,
        hasSound: any.webkitAudioDecodedByteCount > 0,
        error,
      };
    },
    { path, bearer },
  );
}
