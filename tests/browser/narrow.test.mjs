// @ts-check
/** A learner behind 150 kbit/s: the page loads, the class is joined, a prompt is answered. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { DEMO_PASSWORD, Server, attending, launch, signIn, throughPrejoin } from "./support.mjs";

/** What a phone at the edge of a village's cell gets, and how long a round trip takes there. */
const BITS_PER_SECOND = 150_000;
const ROUND_TRIP_MS = 300;
/** The way from nothing to the sign-in form, and from there into the class. */
const FORM_MS = 20_000;
const CLASS_MS = 60_000;
/** Room for a prompt of the server's own choosing before the one that the teacher asks for. */
const ANSWER_MS = 40_000;

describe("a learner behind 150 kbit/s", () => {
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
    learner = await narrowPage(browser);
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  test("gets the sign-in form, and from there into the class", async () => {
    const opened = Date.now();
    await learner.goto(server.url, { waitUntil: "commit" });
    await learner.getByTestId("login-submit").waitFor({ timeout: FORM_MS });
    const formed = Date.now();
    await learner.getByTestId("login-username").fill("learner1");
    await learner.getByTestId("login-password").fill(DEMO_PASSWORD);
    await learner.getByTestId("login-submit").click();
    await learner.getByTestId("lesson-join").first().click({ timeout: CLASS_MS });
    await learner.getByTestId("prejoin-join").click({ timeout: CLASS_MS });
    await learner.getByTestId("stage").waitFor({ timeout: CLASS_MS });
    const joined = Date.now();
    console.log(`form after ${formed - opened} ms, in class ${joined - formed} ms later`);
    assert.ok(joined - formed < CLASS_MS, `in class after ${joined - formed} ms`);
  });

  test("answers a prompt in time", async () => {
    await teacher.getByTestId("lesson-check").click();
    await teacher.getByTestId("confirm-yes").click();
    const asked = Date.now();
    const robot = attending(learner);
    const passed = learner.locator('[data-testid="prompt-result"][data-outcome="passed"]');
    await passed.waitFor({ timeout: ANSWER_MS });
    console.log(`asked, answered and passed within ${Date.now() - asked} ms`);
    await robot.stop();
  });
});

/** A page on a phone whose web traffic is narrow; media has its own bandwidth control. @param {any} browser */
async function narrowPage(browser) {
  const context = await browser.newContext({
    locale: "zh-CN",
    viewport: { width: 390, height: 844 },
    permissions: ["camera", "microphone"],
  });
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await devtools.send("Network.enable");
  await devtools.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: ROUND_TRIP_MS,
    downloadThroughput: BITS_PER_SECOND / 8,
    uploadThroughput: BITS_PER_SECOND / 8,
  });
  return page;
}
