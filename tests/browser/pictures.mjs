// @ts-check
/**
 * Takes the pictures of the documentation from a running class.
 *
 *     node tests/browser/pictures.mjs FOLDER [TEACHER.mjpeg LEARNER.mjpeg]
 */

import { join } from "node:path";

import { Server, attending, eventually, launch, receivesFrames, signIn, throughPrejoin } from "./support.mjs";

const [folder = "docs/images", teacherCamera, learnerCamera] = process.argv.slice(2);
const server = await Server.start();
const teacherBrowser = await launch(teacherCamera);
const learnerBrowser = await launch(learnerCamera);
try {
  const teacher = await signIn(teacherBrowser, server, "teacher");
  await shot(teacher, "today");
  await teacher.getByTestId("lesson-start").first().click();
  await throughPrejoin(teacher);
  const learner = await signIn(learnerBrowser, server, "learner1");
  await learner.getByTestId("lesson-join").first().click();
  await throughPrejoin(learner);
  const phone = await signIn(learnerBrowser, server, "learner2", {
    viewport: { width: 390, height: 844 },
    isMobile: true,
    hasTouch: true,
    deviceScaleFactor: 2,
  });
  await phone.getByTestId("lesson-join").first().click();
  await throughPrejoin(phone);
  await eventually("the learner sees the teacher", 20_000, () => receivesFrames(learner, "camera"));
  await learner.getByTestId("chat-input").fill("老师好，我能听清楚。");
  await learner.getByTestId("chat-input").press("Enter");
  await teacher.getByTestId("tab-board").click();
  await phone.getByTestId("prompt-card").waitFor({ timeout: 60_000 });
  await shot(phone, "check-on-a-phone");
  const robots = [attending(learner), attending(phone)];
  await eventually("the phone's prompt is answered", 60_000, async () =>
    !(await phone.getByTestId("prompt-card").isVisible()),
  );
  await shot(phone, "class-on-a-phone");
  await shot(teacher, "class");
  await Promise.all(robots.map((robot) => robot.stop()));
} finally {
  await teacherBrowser.close();
  await learnerBrowser.close();
  await server.close();
}

/** @param {any} page @param {string} name */
async function shot(page, name) {
  await page.screenshot({ path: join(folder, `${name}.png`) });
}
