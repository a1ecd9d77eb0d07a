// @ts-check
/**
 * How long joining a class takes in a browser: from the click to the first frame of the teacher.
 *
 *     node benches/join.mjs [--joins 20] [--json]
 *
 * Starts a demo server of the built binary (MINGTANG_BIN) and two browsers; ends by itself.
 */

import { parseArgs } from "node:util";

import { Server, launch, signIn, throughPrejoin } from "../tests/browser/support.mjs";

const { values } = parseArgs({
  options: { joins: { type: "string", default: "20" }, json: { type: "boolean", default: false } },
});
const joins = Math.min(Math.max(Number(values.joins), 1), 200);

const server = await Server.start();
const teacherBrowser = await launch();
const learnerBrowser = await launch();
try {
  const teacher = await signIn(teacherBrowser, server, "teacher");
  await teacher.getByTestId("lesson-start").first().click();
  await throughPrejoin(teacher);
  const learner = await signIn(learnerBrowser, server, "learner1");
  const times = [];
  for (let join = 0; join < joins; join += 1) {
    await learner.goto(server.url);
    await learner.getByTestId("lesson-join").first().click();
    await learner.getByTestId("prejoin-join").and(learner.locator(":enabled")).waitFor();
    times.push(await learner.evaluate(clickToFirstFrame));
  }
  times.sort((one, other) => one - other);
  const at = (/** @type {number} */ share) => Math.round(times[Math.ceil(share * times.length) - 1]);
  const report = { joins, join_ms_p50: at(0.5), join_ms_p95: at(0.95), join_ms_max: at(1) };
  console.log(values.json ? JSON.stringify(report) : report);
} finally {
  await teacherBrowser.close();
  await learnerBrowser.close();
  await server.close();
}

/** Runs in the page: clicks, and waits until a received (not the own) picture is shown. */
async function clickToFirstFrame() {
  const clickedAt = performance.now();
  /** @type {HTMLElement} */ (document.querySelector('[data-testid="prejoin-join"]')).click();
  for (;;) {
    const room = /** @type {any} */ (window).__room;
    const own = room?.localParticipant?.identity;
    const others = [...document.querySelectorAll("[data-identity] video")].filter(
      (video) => video.closest("[data-identity]")?.getAttribute("data-identity") !== own,
    );
    const shown = others.find((video) => /** @type {HTMLVideoElement} */ (video).videoWidth > 2);
    if (own && shown) {
      await new Promise((resolve) =>
        /** @type {HTMLVideoElement} */ (shown).requestVideoFrameCallback(resolve),
      );
      return performance.now() - clickedAt;
    }
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
}
