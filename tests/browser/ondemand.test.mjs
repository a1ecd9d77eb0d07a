// @ts-check
/** Lessons on demand: a film is brought over a broken upload, put into a course, and watched. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { Server, eventually, faults, launch, picture, signIn } from "./support.mjs";

const TITLE = "社区矫正法解读（第一讲）：权利、义务与日常管理规定";
const COURSE = "法治教育必修课";
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
const LIMIT_MS = 90_000;

describe("lessons on demand", () => {
  /** @type {Server} */ let server;
  /** @type {any} */ let browser;
  /** @type {string} */ let folder;
  /** @type {string} */ let film;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "mingtang-film-"));
    film = join(folder, `${TITLE}.avi`);
    // Motion JPEG, so that it comes in several pieces.
    const made = spawnSync("ffmpeg", [
      ...["-loglevel", "error", "-nostdin", "-f", "lavfi"],
      ...["-i", "testsrc2=size=640x360:rate=25:duration=40", "-f", "lavfi"],
      ...["-i", "sine=frequency=440:duration=40", "-c:v", "mjpeg", "-q:v", "3", film],
    ]);
    assert.equal(made.status, 0, String(made.stderr));
    server = await Server.start();
    browser = await launch();
  });

  after(async () => {
    await browser?.close();
    await server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test("an upload that broke off goes on after the page was loaded anew, and becomes a film", async () => {
    const page = await signIn(browser, server, "teacher");
    await page.goto(`${server.url}/desk/films`);
    await page.getByText("还没有视频").waitFor();
    await picture(page, "films-empty");
    let pieces = 0;
    await page.route("**/api/library/uploads/*", (/** @type {any} */ route) => {
      const isPiece = route.request().method() === "PATCH";
      if (isPiece && ++pieces > 1) return route.abort("connectionreset");
      return route.continue();
    });
    await page.getByTestId("film-upload").click();
    await page.locator("input[type=file]").setInputFiles(film);
    assert.equal(await page.getByTestId("film-title").inputValue(), TITLE);
    await picture(page, "film-upload");
    await page.getByTestId("film-send").click();
    await page.getByTestId("sending").waitFor();
    await eventually("a piece that does not come through", LIMIT_MS, async () => pieces > 1);
    await picture(page, "film-sending");
    await page.unroute("**/api/library/uploads/*");
    await page.reload();
    const state = page.getByTestId("film-state");
    await state.and(page.locator('[data-state="uploading"]')).waitFor();
    await picture(page, "film-interrupted");
    const [chooser] = await Promise.all([
      page.waitForEvent("filechooser"),
      page.getByTestId("film-resume").click(),
    ]);
    await chooser.setFiles(film);
    await state.and(page.locator('[data-state="importing"]')).waitFor({ timeout: LIMIT_MS });
    await picture(page, "film-importing");
    await state.and(page.locator('[data-state="ready"]')).waitFor({ timeout: LIMIT_MS });
    await picture(page, "films");
    await page.mouse.move(0, 0);
    assert.deepEqual(await faults(page), []);
    await page.getByTestId("film-preview").click();
    const preview = page.locator("video");
    await preview.waitFor();
    await eventually("the teacher can look at it", LIMIT_MS, () =>
      preview.evaluate((/** @type {HTMLVideoElement} */ video) => video.readyState >= 2),
    );
    await picture(page, "film-preview");
    await page.context().close();
  });

  test("a teacher puts the film into a course and chooses who takes it", async () => {
    const page = await signIn(browser, server, "teacher");
    await page.goto(`${server.url}/desk/courses`);
    await page.getByTestId("course-create").click();
    await page.getByTestId("course-title").fill(COURSE);
    await page.getByTestId("chapter-title").fill("第一章 总则");
    await page.locator(".desk-course-lesson .ant-select").click();
    await page.locator(".ant-select-item-option", { hasText: TITLE }).click();
    await picture(page, "course-form");
    await page.getByTestId("course-save").click();
    await page.locator("td", { hasText: COURSE }).waitFor();
    await page.getByTestId("course-progress").click();
    await page.getByText("还没有学员").waitFor();
    await page.getByTestId("course-learners").click();
    const form = page.locator(".ant-drawer form");
    await form.locator(".desk-learners-foot button").click();
    await form.locator(".ant-select-selection-item").nth(2).waitFor();
    await page.getByTestId("course-learners-save").click();
    await page.locator(".ant-drawer td").first().waitFor();
    await page.getByTestId("course-learners").click({ trial: true });
    await picture(page, "course-progress");
    await page.context().close();
  });

  test("Chromium plays the lesson; nothing is skipped, and what was watched is kept over a restart", async () => {
    const page = await signIn(browser, server, "learner1", PHONE);
    await watchFrom(page, server);
    await picture(page, "study-phone");
    assert.deepEqual(await faults(page), []);
    await page.getByTestId("lesson-watch").click();
    await page.getByTestId("player-big").click();
    await eventually("the film plays", LIMIT_MS, async () => (await position(page)) > 6);
    await picture(page, "player-phone");
    await eventually("the server counts it", LIMIT_MS, async () => (await watched(page)) >= 5);
    assert.deepEqual(await faults(page), []);
    // A script in the page that jumps ahead is set back.
    await page.evaluate(() => {
      const video = /** @type {HTMLVideoElement} */ (document.querySelector("video"));
      video.currentTime = 38;
    });
    await eventually("the player is back", LIMIT_MS, async () => (await position(page)) < 30);
    await eventually("more is watched", LIMIT_MS, async () => (await watched(page)) >= 15);
    await page.getByTestId("player-toggle").click();
    await page.getByText("已暂停").waitFor();
    await server.kill();
    await server.run();
    await page.goto(`${server.url}/study`);
    await page.getByText("接着看").first().waitFor();
    await page.getByTestId("lesson-watch").click();
    await page.getByTestId("player-big").click();
    await eventually("it goes on before where it was", LIMIT_MS, async () => {
      const at = await position(page);
      return at > 4 && at < 15;
    });
    await page.context().close();
  });

  test("a second device is told of the first and may take over", async () => {
    const phone = await signIn(browser, server, "learner2", PHONE);
    const desk = await signIn(browser, server, "learner2");
    await watchFrom(phone, server);
    await phone.getByTestId("lesson-watch").click();
    await phone.getByTestId("player-big").click();
    await eventually("the phone plays", LIMIT_MS, async () => (await position(phone)) > 1);
    await watchFrom(desk, server);
    await picture(desk, "study-desktop");
    await desk.getByTestId("lesson-watch").click();
    await desk.getByTestId("take-over").waitFor();
    await picture(desk, "player-elsewhere");
    await desk.getByTestId("take-over").click();
    await desk.getByTestId("player-big").click();
    await eventually("the desk plays", LIMIT_MS, async () => (await position(desk)) > 1);
    await picture(desk, "player-desktop");
    await phone.getByText("播放已停止").first().waitFor();
    await picture(phone, "player-ended");
    await phone.context().close();
    await desk.context().close();
  });

  test("who watches to the end has finished, on the learner's page and on the teacher's", async () => {
    const page = await signIn(browser, server, "learner3");
    await watchFrom(page, server);
    await page.getByTestId("lesson-watch").click();
    await page.getByTestId("player-big").click();
    await page.getByText("本节已看完").waitFor({ timeout: LIMIT_MS });
    await picture(page, "player-finished");
    await page.getByTestId("player-back").click();
    await page.getByText("已完成").waitFor();
    await picture(page, "study-finished");
    await page.context().close();
    const teacher = await signIn(browser, server, "teacher");
    await teacher.goto(`${server.url}/desk/courses`);
    await teacher.getByTestId("course-progress").click();
    await teacher.locator(".ant-drawer").getByText("1 / 1").waitFor();
    // The drawer has come to rest.
    await teacher.getByTestId("course-learners").click({ trial: true });
    await picture(teacher, "course-finished");
    await teacher.context().close();
  });
});

/** To the learner's courses. @param {any} page @param {Server} server */
async function watchFrom(page, server) {
  await page.goto(`${server.url}/study`);
  await page.getByTestId("my-course").waitFor();
}

/** Where the player is, seconds. @param {any} page @returns {Promise<number>} */
function position(page) {
  return page.evaluate(() => document.querySelector("video")?.currentTime ?? 0);
}

/** What the page says was watched, seconds. @param {any} page @returns {Promise<number>} */
async function watched(page) {
  const text = await page.getByTestId("player-state").textContent();
  const [, minutes = "0", seconds = "0"] = /(\d+):(\d+)/.exec(text ?? "") ?? [];
  return Number(minutes) * 60 + Number(seconds);
}
