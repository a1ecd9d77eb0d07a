// @ts-check
/** A live class in two browsers: pictures, sound, screen, chat, prompts, attendance, evidence. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import {
  Server,
  attending,
  eventually,
  launch,
  picture,
  receivesFrames,
  receivesSound,
  signIn,
  throughPrejoin,
} from "./support.mjs";

const MEDIA_MS = 20_000;
/** The demo policy's longest gap is 45 s and its window 12 s; three gaps are enough for both kinds. */
const PROMPT_MS = 180_000;

describe("a live class in two browsers", () => {
  /** @type {Server} */ let server;
  /** @type {any} */ let teacherBrowser;
  /** @type {any} */ let learnerBrowser;
  /** @type {any} */ let teacher;
  /** @type {any} */ let learner;
  /** @type {ReturnType<typeof attending>} */ let robot;

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
    robot = attending(learner);
  });

  after(async () => {
    await robot?.stop();
    await teacherBrowser?.close();
    await learnerBrowser?.close();
    await server?.close();
  });

  test("each sees and hears the other", async () => {
    await eventually("the learner sees the teacher", MEDIA_MS, () => receivesFrames(learner, "camera"));
    await eventually("the teacher sees the learner", MEDIA_MS, () => receivesFrames(teacher, "camera"));
    await eventually("the learner hears the teacher", MEDIA_MS, () => receivesSound(learner));
    await eventually("the teacher hears the learner", MEDIA_MS, () => receivesSound(teacher));
  });

  test("a shared screen reaches the other", async () => {
    await teacher.getByTestId("control-screen").click();
    await eventually("the learner sees the screen", MEDIA_MS, () =>
      receivesFrames(learner, "screen_share", 5),
    );
    await picture(learner, "class-screen");
    await teacher.getByTestId("control-screen").click();
  });

  test("chat arrives", async () => {
    await teacher.getByTestId("tab-chat").click();
    await learner.getByTestId("chat-input").fill("老师好");
    await learner.getByTestId("chat-input").press("Enter");
    await teacher.getByTestId("chat-message").filter({ hasText: "老师好" }).waitFor();
  });

  test("whom the teacher calls on is told, shown first, and told when the turn ends", async () => {
    await learner.getByTestId("control-hand").click();
    await teacher.getByTestId("tab-people").click();
    const floor = teacher.getByTestId("person-floor");
    await floor.and(teacher.locator('[data-given="false"]')).click();
    await learner.getByTestId("banner-floor").waitFor();
    await teacher.locator(".strip .tile-floor").waitFor();
    await learner.locator('[data-testid="control-hand"][aria-pressed="false"]').waitFor();
    await picture(learner, "class-floor");
    await floor.and(teacher.locator('[data-given="true"]')).click();
    await learner.getByTestId("banner-floor").waitFor({ state: "detached" });
  });

  test("a question and a check are asked at the server's times, and answered", async () => {
    await eventually("both kinds were asked", PROMPT_MS, async () => robot.answered.size === 2);
    assert.deepEqual([...robot.answered].sort(), ["presence", "question"]);
  });

  test("an ignored prompt withholds the stretch, and the board shows it", async () => {
    await robot.stop();
    await learner.getByTestId("prompt-card").waitFor({ timeout: PROMPT_MS });
    await teacher.getByTestId("tab-board").click();
    const withheld = teacher.locator('[data-testid="board-row"]:not([data-withheld="0"])');
    await withheld.first().waitFor({ timeout: PROMPT_MS });
    await picture(teacher, "class-board");
  });

  test("the ledger verifies, and a row edited by hand is found", async () => {
    assert.equal(server.command("ledger", "verify").status, 0);
    editOneRow(server);
    const { status, output } = server.command("ledger", "verify");
    assert.notEqual(status, 0, output);
    assert.match(output, /fact 0: the content was edited/);
  });
});

/** Changes one stored fact as an administrator of the database could. @param {Server} server */
function editOneRow(server) {
  const sql =
    "set session_replication_role = replica; " +
    "update ledger_fact set body = replace(body, ':', ' :') " +
    "where (stream_id, seq) = (select stream_id, seq from ledger_fact order by at limit 1)";
  const socket = join(server.data, "postgres");
  const run = spawnSync("psql", ["-h", socket, "-U", "mingtang", "-c", sql, "mingtang"]);
  assert.equal(run.status, 0, String(run.stderr));
}
