// @ts-check
/**
 * Takes the pictures of the documentation from a running class. The cameras show drawn people.
 *
 *     node tests/browser/pictures.mjs FOLDER
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Server, attending, eventually, launch, receivesFrames, signIn, throughPrejoin } from "./support.mjs";

/** Wall, clothes, hair. */
const TEACHER = ["#dfe7e4", "#1f4e5a", "#2b2422"];
const LEARNER = ["#e9e2d6", "#7a5a3a", "#1d1a1a"];

const [folder = "docs/images"] = process.argv.slice(2);
const scratch = mkdtempSync(join(tmpdir(), "mingtang-pictures-"));
const server = await Server.start();
const teacherBrowser = await launch(await drawnCamera("teacher", TEACHER));
const learnerBrowser = await launch(await drawnCamera("learner", LEARNER));
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
  await teacher.getByTestId("lesson-question").click();
  await teacher.getByTestId("question-ask").first().click();
  const question = phone.locator('[data-testid="prompt-card"][data-kind="question"]');
  await question.waitFor({ timeout: 60_000 });
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
  rmSync(scratch, { recursive: true, force: true });
}

/**
 * A Motion JPEG file (JPEG pictures one after the other) of a drawn person who nods.
 * @param {string} name @param {string[]} colours
 */
async function drawnCamera(name, [wall, clothes, hair]) {
  const browser = await launch();
  const page = await browser.newPage({ viewport: { width: 640, height: 480 } });
  const pictures = [];
  for (let turn = 0; turn < 20; turn += 1) {
    const nod = 4 * Math.sin((turn / 20) * 2 * Math.PI);
    await page.setContent(`<body style="margin:0"><svg width="640" height="480">
      <rect width="640" height="480" fill="${wall}"/>
      <rect x="40" y="50" width="170" height="210" rx="6" fill="#fff" opacity=".6"/>
      <rect x="470" y="90" width="120" height="300" rx="6" fill="#000" opacity=".08"/>
      <path d="M120 480 q20 -170 200 -170 t200 170 z" fill="${clothes}"/>
      <path d="M280 320 l40 50 l40 -50 z" fill="#f6f3ee"/>
      <g transform="translate(0 ${nod})"><rect x="292" y="270" width="56" height="60" rx="20" fill="#dba98a"/>
      <ellipse cx="320" cy="205" rx="82" ry="98" fill="#eabf9f"/>
      <path d="M236 205 q-12 -120 84 -122 t84 122 q-14 -62 -60 -72 t-108 72 z" fill="${hair}"/>
      <circle cx="290" cy="205" r="7" fill="#2a2320"/><circle cx="350" cy="205" r="7" fill="#2a2320"/>
      <path d="M296 248 q24 18 48 0" stroke="#9c5a4a" stroke-width="5" fill="none"/></g>
    </svg></body>`);
    pictures.push(await page.screenshot({ type: "jpeg", quality: 90 }));
  }
  await browser.close();
  const path = join(scratch, `${name}.mjpeg`);
  writeFileSync(path, Buffer.concat(pictures));
  return path;
}

/** @param {any} page @param {string} name */
async function shot(page, name) {
  await page.screenshot({ path: join(folder, `${name}.jpg`), type: "jpeg", quality: 82 });
}
