// @ts-check
/**
 * Face checks with real networks and real pictures, through the real SFU: cameras are clips of two
 * people, which lie beside the project (`MINGTANG_TEST_DATA`, default `../shared`). Where they are
 * absent nothing is proven, and the output says so.
 *
 * `MINGTANG_TEST_FACE_TRIES` names how often each person is asked; the long form asks 20 times.
 */

import assert from "node:assert/strict";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Client, Site } from "./livekit.mjs";
import { Server, eventually, freeTcpPort, launch } from "./support.mjs";

const project = fileURLToPath(new URL("../../", import.meta.url));
const folder = process.env.MINGTANG_TEST_DATA ?? join(project, "../shared");
const media = join(folder, "media");
const there = existsSync(join(folder, "models")) && existsSync(media);
const TRIES = Number(process.env.MINGTANG_TEST_FACE_TRIES ?? 2);
/** Three tries before the camera, each of two bursts. */
const CHECK_MS = 120_000;
/** The browser says every two seconds that its page plays in front. */
const BEAT_MS = 2_000;

if (!there) console.log("SKIPPED faces in browsers: the pictures and networks are absent");

/** Somebody in class whose browser has a clip for a camera. */
class Learner {
  /** @param {Server} server @param {string} username @param {any} browser @param {Client} client @param {any} seat @param {string} bearer */
  constructor(server, username, browser, client, seat, bearer) {
    Object.assign(this, { server, username, browser, client, seat, bearer });
    this.beat = setInterval(() => void this.live().catch(() => undefined), BEAT_MS);
  }

  /** @param {Server} server @param {Site} site @param {string} lesson @param {string} username @param {string} clip */
  static async sit(server, site, lesson, username, clip) {
    const bearer = await server.login(username);
    const device_id = `device-${clip}`;
    const seat = await server.call("POST", `/api/lessons/${lesson}/join`, { device_id }, bearer);
    const browser = await launch(join(media, `${clip}.mjpeg`));
    const { url: address, token, identity } = seat;
    const client = await Client.join({ browser, site, address, bearer: token, identity });
    await show(client);
    return new Learner(server, username, browser, client, { ...seat, device_id }, bearer);
  }

  live() {
    const { attendance_id, device_id } = this.seat;
    const body = { visible: true, playing: true, device_id };
    return this.server.call("POST", `/api/attendances/${attendance_id}/heartbeat`, body, this.bearer);
  }

  /** @returns {Promise<any[]>} the checks that ended */
  async ended() {
    const path = `/api/attendances/${this.seat.attendance_id}`;
    const { checks } = await this.server.call("GET", path, undefined, this.bearer);
    return checks.filter((/** @type {any} */ check) => check.outcome);
  }

  async close() {
    clearInterval(this.beat);
    await this.browser.close();
  }
}

/** Publishes the camera. @param {Client} client */
async function show(client) {
  await client.do(() =>
    /** @type {any} */ (window).room.localParticipant.setCameraEnabled(true, {
      resolution: { width: 640, height: 480, frameRate: 10 },
    }),
  );
}

describe("a class where faces are checked", { skip: !there }, () => {
  /** @type {Server} */ let server;
  /** @type {Site} */ let site;
  /** @type {string} */ let lesson;
  /** @type {string} */ let teacher;
  /** @type {string} */ let officer;
  /** @type {any} */ let desk;

  before(async () => {
    const data = mkdtempSync(join(tmpdir(), "mingtang-faces-"));
    server = new Server({ http: await freeTcpPort(), media: 0 }, data, [], "127.0.0.1");
    const manifest = join(project, "tests/faces/models.toml");
    const from = join(folder, "models");
    const installed = server.command("models", "fetch", "--from", from, "--manifest", manifest);
    assert.equal(installed.status, 0, installed.output);
    assert.equal(server.command("models", "verify").status, 0);
    await server.run();
    site = await Site.start();
    [teacher, officer] = [await server.login("teacher"), await server.login("officer")];
    await enrol("learner1", "collins");
    lesson = await begin(["learner1", "learner2"]);
  });

  after(async () => {
    await desk?.close();
    await site?.close();
    await server?.close();
  });

  /** Consent, pictures before the server's eyes, approval. @param {string} username @param {string} clip */
  async function enrol(username, clip) {
    const bearer = await server.login(username);
    await server.call("POST", "/api/me/face/consent", { version: 1 }, bearer);
    const { url: address, token } = await server.call("POST", "/api/me/face/capture", {}, bearer);
    const browser = await launch(join(media, `${clip}.mjpeg`));
    const client = await Client.join({ browser, site, address, bearer: token, identity: username });
    await show(client);
    await eventually("the pictures are taken", CHECK_MS, async () => {
      const { stage } = await server.call("GET", "/api/me/face", undefined, bearer);
      return stage === "proposed";
    });
    await browser.close();
    const { items } = await server.call("GET", "/api/faces", undefined, officer);
    assert.equal(items.length, 1);
    const portrait = await fetch(`${server.url}/api/faces/${items[0].person_id}/portrait`, {
      headers: { authorization: `Bearer ${officer}` },
    });
    assert.equal(portrait.headers.get("content-type"), "image/webp");
    await server.call("POST", `/api/faces/${items[0].person_id}/approve`, undefined, officer);
    const { stage } = await server.call("GET", "/api/me/face", undefined, bearer);
    assert.equal(stage, "approved");
  }

  /** A lesson with face checks that runs, with its teacher in the room. @param {string[]} usernames */
  async function begin(usernames) {
    const people = await server.call("GET", "/api/people?role=learner", undefined, teacher);
    const learners = people.items.filter((/** @type {any} */ one) => usernames.includes(one.username));
    const plan = {
      title: "人脸核验课",
      unit_id: learners[0].unit.id,
      starts_at: new Date().toISOString(),
      ends_at: new Date(Date.now() + 7_200_000).toISOString(),
      learner_ids: learners.map((/** @type {any} */ one) => one.account_id),
      face_checks: true,
    };
    const { items: units } = await server.call("GET", "/api/lessons?scope=today", undefined, teacher);
    plan.unit_id = units[0].unit.id;
    const { id } = await server.call("POST", "/api/lessons", plan, teacher);
    await server.call("POST", `/api/lessons/${id}/start`, undefined, teacher);
    const seat = await server.call("POST", `/api/lessons/${id}/join`, { device_id: "desk" }, teacher);
    desk = await launch();
    const { url: address, token, identity } = seat;
    await Client.join({ browser: desk, site, address, bearer: token, identity });
    return id;
  }

  /** Asks somebody until so many looks ended. @param {Learner} learner @param {number} count */
  async function ask(learner, count) {
    const looks = async () =>
      (await learner.ended()).filter((check) => ["face", "action"].includes(check.kind));
    const first = (await looks()).length;
    while ((await looks()).length < first + count) {
      const before = (await looks()).length;
      // One that is under way refuses another, and is waited for like it.
      const only = { learner_ids: [learner.seat.identity] };
      await server.call("POST", `/api/lessons/${lesson}/check`, only, teacher).catch(() => undefined);
      await eventually("the look ends", CHECK_MS, async () => (await looks()).length > before);
    }
    return (await looks()).slice(first);
  }

  test("the enrolled person signs in by the face and passes every check", async () => {
    const collins = await Learner.sit(server, site, lesson, "learner1", "collins");
    const looks = await ask(collins, TRIES);
    await collins.close();
    const kinds = looks.map(({ outcome, finding }) => `${outcome} ${finding}`);
    // Acts are asked too, which the plain clip never does.
    const faces = looks.filter(({ kind }) => kind === "face");
    assert.ok(faces.length > 0, String(kinds));
    for (const { outcome, finding } of faces) {
      assert.ok(["passed", "passed_low_assurance"].includes(outcome), `${outcome} ${finding}`);
    }
  });

  test("another person on the account is never taken for the enrolled one", async () => {
    const hopper = await Learner.sit(server, site, lesson, "learner1", "hopper");
    const looks = await ask(hopper, TRIES);
    await hopper.close();
    for (const { outcome, finding } of looks) {
      assert.equal(outcome, "failed_mismatch", finding);
    }
  });
});
