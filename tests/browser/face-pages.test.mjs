// @ts-check
/**
 * Faces in the browser: enrolling, approving, class without a camera, and somebody else's face.
 * Real networks look at real pictures from the folder that MINGTANG_TEST_DATA names (default
 * `../shared`); where it is absent nothing is proven.
 */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Server, attending, faults, launch, picture, signIn, throughPrejoin } from "./support.mjs";

const project = fileURLToPath(new URL("../../", import.meta.url));
const data = process.env.MINGTANG_TEST_DATA ?? join(project, "../shared");
const missing = existsSync(join(data, "models")) ? false : `no pictures and networks in ${data}`;
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

/** @param {string} name */
const camera = (name) => join(data, "media", `${name}.mjpeg`);

describe("faces", { skip: missing }, () => {
  /** @type {Server} */ let server;
  /** @type {any[]} */ const browsers = [];
  /** @type {string} */ let lesson;

  /** @param {string} [name] of a camera */
  async function browser(name) {
    const opened = await launch(name === undefined ? undefined : camera(name));
    browsers.push(opened);
    return opened;
  }

  before(async () => {
    server = await Server.start();
    const manifest = join(project, "tests/faces/models.toml");
    const from = join(data, "models");
    const fetched = server.command("models", "fetch", "--from", from, "--manifest", manifest);
    assert.equal(fetched.status, 0, fetched.output);
    await server.kill();
    await server.run();
    lesson = await lessonWithFaces(server);
  });

  after(async () => {
    for (const opened of browsers) await opened.close();
    await server?.close();
  });

  test("a person agrees, has pictures taken, and is known once an officer has seen them", async () => {
    const person = await signIn(await browser("collins"), server, "learner1", PHONE);
    await person.getByTestId("home-face").getByRole("link").click();
    await person.getByTestId("face-consent").waitFor();
    assert.deepEqual(await faults(person), []);
    await picture(person, "face-consent");
    await person.getByTestId("face-agree").click();
    await person.getByTestId("face-taking").waitFor();
    const page = person.getByTestId("face-page");
    await page.and(person.locator("[data-stage=proposed]")).waitFor({ timeout: 90_000 });
    await picture(person, "face-waiting");

    const officer = await signIn(await browser(), server, "officer");
    await officer.goto(`${server.url}/desk/faces`);
    await officer.locator(".proposal .sealed img").waitFor();
    assert.deepEqual(await faults(officer), []);
    await picture(officer, "face-approvals");
    await officer.getByTestId("face-approve").click();
    await officer.locator(".ant-modal-confirm .ant-btn-primary").click();
    await officer.getByTestId("proposal").waitFor({ state: "detached" });
    // The event brings it: nobody loads the page again.
    await page.and(person.locator("[data-stage=approved]")).waitFor();
    await Promise.all([person.context().close(), officer.context().close()]);
  });

  test("a learner without a camera is told that time does not count, and staff end that", async () => {
    const learner = await signIn(await browser(), server, "learner2");
    await learner.goto(`${server.url}/lessons/${lesson}`);
    await learner.getByTestId("prejoin-face").waitFor();
    await throughPrejoin(learner);
    await learner.getByTestId("control-camera").click();
    await learner.getByTestId("banner-camera").waitFor();
    await picture(learner, "face-camera-off");

    const teacher = await signIn(await browser(), server, "teacher");
    await teacher.goto(`${server.url}/lessons/${lesson}`);
    await throughPrejoin(teacher);
    await teacher.getByTestId("tab-board").click();
    await teacher.getByTestId("board-exempt").click();
    await picture(teacher, "face-exempt");
    await teacher.getByTestId("confirm-yes").click();
    await teacher.getByTestId("board-exempt").waitFor({ state: "detached" });
    await learner.getByTestId("banner-camera").waitFor({ state: "detached" });
    // The teacher stays: a class without one has a break, in which nobody is looked at.
    await learner.context().close();
  });

  test("somebody else's face is asked before the camera, and does not pass", async () => {
    const other = await signIn(await browser("hopper"), server, "learner1", PHONE);
    await other.goto(`${server.url}/lessons/${lesson}`);
    await throughPrejoin(other);
    // Questions are answered as they come; before a look there is nothing to press.
    const robot = attending(other);
    await other.getByTestId("look").waitFor({ timeout: 120_000 });
    assert.deepEqual(await faults(other), []);
    await picture(other, "face-look");
    const result = other.locator("[data-testid=prompt-result][data-outcome^=failed]");
    await result.waitFor({ timeout: 120_000 });
    await picture(other, "face-failed");
    await robot.stop();
    await other.context().close();
  });
});

/** A running lesson of the demo's teacher that checks faces. @param {Server} server */
async function lessonWithFaces(server) {
  const teacher = await server.login("teacher");
  const { items } = await server.call("GET", "/api/lessons?scope=today", undefined, teacher);
  const learners = ["learner1", "learner2"].map(async (name) => {
    const me = await server.call("GET", "/api/me", undefined, await server.login(name));
    return me.account_id;
  });
  const now = Date.now();
  const plan = {
    title: "外出请假与报告义务",
    unit_id: items[0].unit.id,
    starts_at: new Date(now).toISOString(),
    ends_at: new Date(now + 3_600_000).toISOString(),
    learner_ids: await Promise.all(learners),
    face_checks: true,
  };
  const { id } = await server.call("POST", "/api/lessons", plan, teacher);
  await server.call("POST", `/api/lessons/${id}/start`, undefined, teacher);
  return id;
}
