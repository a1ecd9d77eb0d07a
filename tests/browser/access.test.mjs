// @ts-check
/** For those without a mouse, with a screen reader, with large type, or with motion turned off. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import {
  DEMO_PASSWORD,
  Server,
  eventually,
  faults,
  launch,
  liveLesson,
  signIn,
  throughPrejoin,
} from "./support.mjs";

/** Stops of the Tab key on one page; more means that the focus is caught in a circle. */
const STOPS_MAX = 120;
/** A few prompts, each with its window and its result. */
const ANSWERED_MS = 60_000;
const LOOKS = [
  { theme: "light", language: "zh-CN" },
  { theme: "dark", language: "en" },
];
const DESK = [
  "lessons",
  "lessons?new=1",
  "questions",
  "questions?new=1",
  "people",
  "people?new=1",
  "units",
  "audit",
];

describe("without a mouse", () => {
  /** @type {Server} */ let server;
  /** @type {any} */ let browser;
  /** @type {any} */ let teacher;
  /** @type {any} */ let learner;

  before(async () => {
    server = await Server.start();
    browser = await launch();
    teacher = await signIn(browser, server, "teacher");
    await teacher.getByTestId("lesson-start").first().click();
    await throughPrejoin(teacher);
    learner = await (
      await browser.newContext({ locale: "zh-CN", permissions: ["camera", "microphone"] })
    ).newPage();
    await learner.goto(server.url);
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  test("a learner signs in and joins by keys alone", async () => {
    await learner.getByTestId("login-username").waitFor();
    await tabTo(learner, "login-username");
    await learner.keyboard.type("learner1");
    await tabTo(learner, "login-password");
    await learner.keyboard.type(DEMO_PASSWORD);
    await learner.keyboard.press("Enter");
    await learner.getByTestId("lesson-join").first().waitFor();
    await everyStop(learner);
    await tabTo(learner, "lesson-join");
    await learner.keyboard.press("Enter");
    await learner.getByTestId("prejoin-join").waitFor();
    await learner.locator("video").waitFor();
    await everyStop(learner);
    await tabTo(learner, "prejoin-join");
    await learner.keyboard.press("Enter");
    await learner.getByTestId("stage").waitFor();
  });

  test("every control of the class is reached, for learner and teacher", async () => {
    await everyStop(learner);
    // The board learns of an arrival a moment later, and a control that appears is no stop of a
    // round that is under way.
    await teacher.locator('[data-testid="board-check"]:enabled').first().waitFor();
    await everyStop(teacher);
  });

  test("a prompt takes the focus, keeps it, says what it is, and gives it back", async () => {
    await answerByKeys(learner);
    await learner.getByTestId("chat-input").focus();
    await teacher.getByTestId("lesson-check").click();
    await teacher.getByTestId("confirm-yes").click();
    const card = learner.getByTestId("prompt-card");
    await card.waitFor();
    assert.ok((await card.locator("[aria-live=assertive] h2").innerText()).length > 0);
    assert.ok((await card.getAttribute("aria-labelledby")) !== null);
    for (let press = 0; press < 6; press += 1) {
      assert.ok(await card.evaluate((/** @type {Element} */ it) => it.contains(document.activeElement)));
      await learner.keyboard.press("Tab");
    }
    await learner.keyboard.press("Escape");
    assert.ok(await card.isVisible(), "a prompt is answered, not waved away");
    await answerByKeys(learner);
    assert.equal(await focused(learner), "chat-input");
  });

  test("the teacher calls on a learner and ends the turn by keys alone", async () => {
    await tabTo(teacher, "tab-people");
    await teacher.keyboard.press("Enter");
    await teacher.getByTestId("person-floor").waitFor();
    await tabTo(teacher, "person-floor");
    await teacher.keyboard.press("Enter");
    await learner.getByTestId("banner-floor").waitFor();
    await teacher.locator('[data-testid="person-floor"][data-given="true"]').waitFor();
    await tabTo(teacher, "person-floor");
    await teacher.keyboard.press("Enter");
    await learner.getByTestId("banner-floor").waitFor({ state: "detached" });
  });
});

describe("with a screen reader, large type or little motion", () => {
  /** @type {Server} */ let server;
  /** @type {any} */ let browser;
  /** @type {string} */ let lesson;

  before(async () => {
    server = await Server.start();
    browser = await launch();
    const teacher = await signIn(browser, server, "teacher");
    await teacher.getByTestId("lesson-start").first().click();
    await throughPrejoin(teacher);
    lesson = await liveLesson(server, await server.login("teacher"));
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  for (const look of LOOKS) {
    test(`axe finds nothing serious, ${look.theme} in ${look.language}`, async () => {
      const page = await signIn(browser, server, "admin", dressed(look));
      await wear(page, look);
      for (const path of ["/", ...DESK.map((each) => `/desk/${each}`)]) {
        await settle(page, server.url + path);
        assert.deepEqual(await faults(page), [], path);
        if (path.startsWith("/desk") && !path.includes("new=1")) await everyStop(page);
      }
      await page.context().close();
      await assertClassIsClean(look);
    });
  }

  test("whoever joins while camera and microphone still open is told what is waited for", async () => {
    const page = await signIn(browser, server, "learner3");
    await page.addInitScript(() => {
      const devices = navigator.mediaDevices;
      const open = devices.getUserMedia.bind(devices);
      const allowed = new Promise((resolve) => Object.assign(window, { allow: resolve }));
      devices.getUserMedia = (wanted) => allowed.then(() => open(wanted));
    });
    await page.goto(`${server.url}/lessons/${lesson}`);
    const join = page.getByTestId("prejoin-join");
    await join.click();
    await page.locator('[data-testid="prejoin-join"][aria-busy="true"]').waitFor();
    assert.match(await join.innerText(), /正在打开摄像头和麦克风/);
    await page.getByRole("status").filter({ hasText: "正在打开摄像头和麦克风" }).waitFor();
    await page.evaluate(() => /** @type {any} */ (window).allow());
    await page.getByTestId("stage").waitFor();
    await page.context().close();
  });

  test("at 200 % nothing is lost: no page scrolls sideways, every control of the class is on it", async () => {
    // A window of 1440 by 900 shows half as many pixels each way.
    const page = await signIn(browser, server, "admin", {
      viewport: { width: 720, height: 450 },
      deviceScaleFactor: 2,
    });
    for (const path of ["/", ...DESK.map((each) => `/desk/${each}`)]) {
      await settle(page, server.url + path);
      assert.ok(await fits(page), path);
    }
    await page.context().close();
    const learner = await signIn(browser, server, "learner1", {
      viewport: { width: 720, height: 450 },
      deviceScaleFactor: 2,
    });
    await settle(learner, `${server.url}/record`);
    assert.ok(await fits(learner));
    await learner.goto(`${server.url}/lessons/${lesson}`);
    await throughPrejoin(learner);
    assert.ok(await fits(learner));
    const stage = await learner.getByTestId("stage").boundingBox();
    assert.ok(stage.height > 120, `the stage is ${stage.height} high`);
    for (const control of await learner.locator(".controls button:visible").all()) {
      const box = await control.boundingBox();
      assert.ok(
        box.x >= 0 && box.x + box.width <= 720 && box.y + box.height <= 450,
        await control.innerText(),
      );
    }
    await learner.context().close();
  });

  test("nothing moves for those who turned motion off", async () => {
    const page = await signIn(browser, server, "learner2", { reducedMotion: "reduce" });
    await page.goto(`${server.url}/lessons/${lesson}`);
    await throughPrejoin(page);
    const moving = await page.evaluate(
      () =>
        document.getAnimations().filter((each) => Number(each.effect?.getComputedTiming().duration) > 1)
          .length,
    );
    assert.equal(moving, 0);
    await page.context().close();
  });

  /** @param {{theme: string, language: string}} look */
  async function assertClassIsClean(look) {
    const page = await signIn(browser, server, "learner1", dressed(look));
    await wear(page, look);
    await settle(page, `${server.url}/record`);
    assert.deepEqual(await faults(page), []);
    await page.goto(`${server.url}/lessons/${lesson}`);
    await page.locator("video").waitFor();
    assert.deepEqual(await faults(page), []);
    await throughPrejoin(page);
    assert.deepEqual(await faults(page), []);
    const bearer = await server.login("teacher");
    await server.call("POST", `/api/lessons/${lesson}/check`, {}, bearer);
    await page.getByTestId("prompt-card").waitFor();
    assert.deepEqual(await faults(page), []);
    await page.context().close();
  }
});

/** @param {{theme: string, language: string}} look */
function dressed(look) {
  return { locale: look.language, colorScheme: look.theme };
}

/** @param {any} page @param {{theme: string, language: string}} look */
async function wear(page, look) {
  await page.evaluate((/** @type {any} */ { theme, language }) => {
    localStorage.setItem("mingtang.theme", theme);
    localStorage.setItem("mingtang.language", language);
  }, look);
}

/** Opens a page and waits until no skeleton is left and nothing moves. @param {any} page @param {string} url */
async function settle(page, url) {
  await page.goto(url);
  await page.locator("main h1, main .next, main .empty").first().waitFor();
  await page.waitForFunction(
    () =>
      !document.querySelector(".skeleton, .desk-skeleton, .ant-skeleton, .ant-spin-spinning") &&
      document.getAnimations().every((each) => each.playState !== "running"),
  );
}

/** @param {any} page @returns {Promise<boolean>} */
function fits(page) {
  return page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
}

/** The test id of what has the focus, or of what it is in. @param {any} page @returns {Promise<string>} */
function focused(page) {
  return page.evaluate(
    () => document.activeElement?.closest("[data-testid]")?.getAttribute("data-testid") ?? "",
  );
}

/** Presses Tab until the focus is there. @param {any} page @param {string} testId */
async function tabTo(page, testId) {
  for (let stop = 0; stop < STOPS_MAX; stop += 1) {
    if ((await focused(page)) === testId) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not reach ${testId}`);
}

/**
 * Answers by keys until nothing is asked any more; the server may ask on its own at any time.
 * @param {any} page
 */
async function answerByKeys(page) {
  const card = page.getByTestId("prompt-card");
  await eventually("nothing is asked", ANSWERED_MS, async () => {
    const phase = await card.getAttribute("data-phase", { timeout: 500 }).catch(() => undefined);
    if (phase === undefined) return true;
    // A card may change while the keys are on their way; then the next look finds it.
    await toTheStep(page, card, phase).catch(() => undefined);
    await page.keyboard.press("Enter");
    return false;
  });
}

/** @param {any} page @param {any} card @param {string} phase */
async function toTheStep(page, card, phase) {
  if (phase !== "asking") return tabTo(page, "prompt-dismiss");
  if ((await card.getByTestId("prompt-option").count()) > 0) {
    await tabTo(page, "prompt-option");
    await page.keyboard.press("Space");
  }
  return tabTo(page, "prompt-answer");
}

/**
 * Goes round the page by Tab: every control that can be seen must get the focus, and must show it.
 * @param {any} page
 */
async function everyStop(page) {
  await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement)?.blur());
  for (let stop = 0; stop < STOPS_MAX; stop += 1) {
    await page.keyboard.press("Tab");
    if ((await page.evaluate(markStop)) === "again") break;
  }
  assert.deepEqual(await page.evaluate(missed), { unreached: [], unseen: [] });
}

/** In the page: remembers what has the focus, and whether that can be seen. */
function markStop() {
  const here = document.activeElement;
  if (!here || here === document.body) return "outside";
  if (here.hasAttribute("data-stop")) return "again";
  let each = /** @type {Element | null} */ (here);
  let seen = false;
  for (let up = 0; each && up < 4 && !seen; up += 1, each = each.parentElement) {
    const style = getComputedStyle(each);
    seen = (style.outlineStyle !== "none" && style.outlineWidth !== "0px") || style.boxShadow !== "none";
  }
  here.setAttribute("data-stop", seen ? "seen" : "unseen");
  return "new";
}

/** In the page: what Tab did not reach, and where the focus did not show. The marks are taken off. */
function missed() {
  const controls =
    'a[href], button:enabled, input:enabled, select:enabled, textarea:enabled, summary, [tabindex="0"]';
  const name = (/** @type {Element} */ each) => each.outerHTML.slice(0, 160);
  const modal = document.querySelector("dialog[open]");
  const all = [...(modal ?? document).querySelectorAll(controls)].filter((each) => {
    // Of a group of radio buttons one is a stop; antd keeps helpers of its own out of the order.
    const isRadio = each instanceof HTMLInputElement && each.type === "radio";
    const isShown = each.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    return isShown && !isRadio && /** @type {HTMLElement} */ (each).tabIndex >= 0;
  });
  const unreached = all.filter((each) => !each.hasAttribute("data-stop")).map(name);
  const unseen = [...document.querySelectorAll('[data-stop="unseen"]')].map(name);
  for (const each of document.querySelectorAll("[data-stop]")) each.removeAttribute("data-stop");
  return { unreached, unseen };
}
