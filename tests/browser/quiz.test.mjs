// @ts-check
/** Questions to a whole class: written answers, the chat that waits, the live count, polls. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { Server, eventually, faults, launch, picture, signIn, throughPrejoin } from "./support.mjs";

const NUMBER = "圆周率取两位小数是多少？";
const CHOICE = "未经批准离开居住地，可能会受到训诫或者警告。";
const WORDS = "迁居申请应当向谁提出？";

describe("questions to a whole class", () => {
  /** @type {Server} */ let server;
  /** @type {any} */ let browser;
  /** @type {any} */ let teacher;
  /** @type {any} */ let learner;
  /** @type {any} */ let other;

  before(async () => {
    server = await Server.start();
    browser = await launch();
    teacher = await signIn(browser, server, "teacher");
    await write(teacher, "数值", NUMBER, ["3.14±0.005"]);
    await write(teacher, "填空", WORDS, ["司法所", "执行地司法所"]);
    askOnlyByHand(server);
    await teacher.goto(server.url);
    await teacher.getByTestId("lesson-start").first().click();
    await throughPrejoin(teacher);
    learner = await signIn(browser, server, "learner1", {
      viewport: { width: 390, height: 844 },
    });
    await learner.getByTestId("lesson-join").first().click();
    await throughPrejoin(learner);
    other = await signIn(browser, server, "learner2");
    await other.getByTestId("lesson-join").first().click();
    await throughPrejoin(other);
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  /** Writes a question at the desk. @param {any} page @param {string} kind @param {string} text @param {string[]} accepted */
  async function write(page, kind, text, accepted) {
    await page.goto(`${server.url}/desk/questions?new=1`);
    const drawer = page.locator(".ant-drawer-open");
    await drawer.locator("textarea").fill(text);
    await drawer.getByText(kind, { exact: true }).click();
    const answers = drawer.locator(".desk-accepted input");
    for (const [place, answer] of accepted.entries()) {
      if (place > 0) await drawer.getByText("加一个答案").click();
      await answers.nth(place).fill(answer);
    }
    await picture(page, `question-${kind}`);
    await drawer.locator("button[type=submit]").click();
    await drawer.waitFor({ state: "detached" });
  }

  /** Puts a question to the class. @param {string} text @param {any[]} pages whom it must reach */
  async function push(text, pages) {
    for (const page of pages) await page.getByTestId("prompt-card").waitFor({ state: "detached" });
    await teacher.getByTestId("lesson-question").click();
    const row = teacher.locator(".question-list li").filter({ hasText: text });
    await row.getByTestId("question-ask").click();
    await row.waitFor({ state: "detached" });
    const cards = pages.map((page) => page.getByTestId("prompt-card").filter({ hasText: text }));
    for (const card of cards) await card.waitFor();
    return cards;
  }

  /** Writes an answer and goes on. @param {any} page @param {string} text */
  async function answer(page, text) {
    await page.getByTestId("prompt-written").fill(text);
    await page.getByTestId("prompt-answer").click();
    await page.getByTestId("prompt-dismiss").click();
    await page.getByTestId("prompt-card").waitFor({ state: "detached" });
  }

  /** What a learner is told when a question is over. @param {any} page */
  function solution(page) {
    return page.getByTestId("round-card").filter({ hasText: CHOICE });
  }

  /** Messages that somebody has on the page. @param {any} page @param {string} text */
  function said(page, text) {
    return page.getByTestId("chat-message").filter({ hasText: text });
  }

  test("a number is typed on a keypad of digits, and a slip of the pen costs no try", async () => {
    const [card] = await push(NUMBER, [learner, other]);
    const field = card.getByTestId("prompt-written");
    assert.equal(await field.getAttribute("inputmode"), "decimal");
    await field.fill("三点一四");
    await card.getByTestId("prompt-answer").click();
    await card.getByRole("alert").filter({ hasText: "只填一个数字" }).waitFor();
    await picture(learner, "prompt-number");
    await field.fill("３．１４");
    await card.getByTestId("prompt-answer").click();
    await learner.locator('[data-testid="prompt-result"][data-outcome="passed"]').waitFor();
    await learner.getByTestId("prompt-dismiss").click();
    await answer(other, "7");
  });

  test("words are right in whatever punctuation", async () => {
    const [card] = await push(WORDS, [learner, other]);
    const field = card.getByTestId("prompt-written");
    assert.equal(await field.getAttribute("inputmode"), "text");
    await field.fill("“司法所”。");
    await picture(learner, "prompt-words");
    await card.getByTestId("prompt-answer").click();
    await learner.locator('[data-testid="prompt-result"][data-outcome="passed"]').waitFor();
    await learner.getByTestId("prompt-dismiss").click();
    await answer(other, "7");
  });

  test("while a question is open learners' messages wait, and nothing goes round them", async () => {
    await teacher.getByTestId("tab-chat").click();
    await learner.locator('[data-testid="control-chat"]:visible').first().click();
    const [card] = await push(NUMBER, [learner, other]);
    await teacher.getByTestId("tab-chat").click();
    await answer(other, "3.14");
    const heard = learner.evaluate(
      () =>
        new Promise((resolve) => {
          const room = /** @type {any} */ (window).__room;
          room.on("dataReceived", (/** @type {Uint8Array} */ data) =>
            resolve(new TextDecoder().decode(data)),
          );
        }),
    );
    await other.evaluate(() => {
      const bytes = new TextEncoder().encode("round the chat");
      const { localParticipant } = /** @type {any} */ (window).__room;
      // A client of the page's own make may refuse by itself.
      return localParticipant.publishData(bytes, { reliable: true }).catch(() => undefined);
    });
    await other.getByTestId("chat-input").fill("答案是 3.14");
    await other.getByTestId("chat-input").press("Enter");
    await said(teacher, "答案是 3.14").waitFor();
    await said(other, "答案是 3.14").and(other.locator('[data-held="true"]')).waitFor();
    await picture(other, "chat-held");
    await teacher.getByTestId("chat-input").fill("请独立作答");
    await teacher.getByTestId("chat-input").press("Enter");
    await said(learner, "请独立作答").waitFor({ state: "attached" });
    assert.equal(await said(learner, "答案是 3.14").count(), 0, "it is held");
    await answer(learner, "3.14");
    await said(learner, "答案是 3.14").waitFor();
    await picture(learner, "chat-released");
    await teacher.evaluate(() => {
      const bytes = new TextEncoder().encode("from staff");
      return /** @type {any} */ (window).__room.localParticipant.publishData(bytes, { reliable: true });
    });
    assert.equal(await heard, "from staff", "staff may send data, and no learner did before");
  });

  test("staff take the chat away as a table", async () => {
    await teacher.getByTestId("tab-chat").click();
    const download = teacher.waitForEvent("download");
    await teacher.getByTestId("chat-export").click();
    const path = await (await download).path();
    const table = readFileSync(path, "utf8");
    assert.match(table, /^\ufeff时间,姓名,身份,消息,范围\n/);
    assert.match(table, /答案是 3\.14/);
  });

  test("the teacher sees the class answer live, and learners the solution after the last window", async () => {
    const [card] = await push(CHOICE, [learner, other]);
    const round = teacher.getByTestId("round").first();
    await round.getByTestId("round-waiting").filter({ hasText: "2" }).waitFor();
    await other.getByTestId("prompt-option").filter({ hasText: "错误" }).click();
    await other.getByTestId("prompt-answer").click();
    await other.locator('[data-testid="prompt-result"][data-outcome="wrong"]').waitFor();
    await other.getByTestId("prompt-dismiss").click();
    await round.getByTestId("round-wrong").filter({ hasText: "1" }).waitFor();
    await round.getByTestId("round-waiting").filter({ hasText: "1" }).waitFor();
    await picture(teacher, "round-live");
    assert.equal(await solution(other).count(), 0, "somebody is still answering");
    await card.getByTestId("prompt-option").filter({ hasText: "正确" }).click();
    await card.getByTestId("prompt-answer").click();
    await learner.getByTestId("prompt-dismiss").click();
    await solution(other).getByText("您这次没有答对").waitFor();
    await solution(learner).getByText("您答对了").waitFor();
    const right = solution(learner).locator('[data-testid="round-bar"][data-right="true"]');
    assert.match(await right.innerText(), /正确[\s\S]*我的选择[\s\S]*50%/);
    await teacher.locator('[data-testid="round"][data-open="false"]').first().waitFor();
    await picture(teacher, "round-over");
    await picture(learner, "round-solution-phone");
    await picture(other, "round-solution");
    assert.deepEqual(await faults(other), []);
    assert.deepEqual(await faults(teacher), []);
    for (const page of [learner, other]) await page.getByTestId("round-dismiss").click();
  });

  test("a poll counts what the class thinks, and names nobody", async () => {
    await teacher.getByTestId("lesson-poll").click();
    await teacher.getByTestId("poll-text").fill("刚才讲的请假手续，听懂了吗？");
    await teacher.getByTestId("poll-add").click();
    await teacher.getByTestId("poll-option-text").last().fill("想再听一遍");
    await picture(teacher, "poll-new");
    await teacher.getByTestId("poll-open").click();
    for (const [page, choice] of [
      [learner, "听懂了"],
      [other, "想再听一遍"],
    ]) {
      const card = page.getByTestId("round-card").filter({ hasText: "请假手续" });
      await card.getByTestId("poll-option").filter({ hasText: choice }).first().click();
      if (page === learner) await picture(learner, "poll-phone");
      await card.getByTestId("poll-vote").click();
      await card.getByText("已收到您的投票").waitFor();
      assert.equal(await card.getByTestId("round-bar").count(), 0, "no count before the end");
    }
    await teacher.getByTestId("round").first().getByText("已有 2 人投票").waitFor();
    await teacher.getByTestId("poll-close").click();
    for (const page of [learner, other]) {
      const bars = page.locator('[data-kind="poll"][data-open="false"]').getByTestId("round-bar");
      await bars.first().waitFor();
      assert.deepEqual(
        await bars.evaluateAll((all) => all.map((bar) => bar.getAttribute("data-count"))),
        ["1", "0", "1"],
      );
    }
    await picture(learner, "poll-result-phone");
    await picture(teacher, "poll-over");
  });

  test("one key stops interaction, and the same key allows it again", async () => {
    await teacher.getByTestId("lesson-hush").click();
    await other.getByTestId("banner-hushed").waitFor();
    await other.locator('[data-testid="control-mic"]:disabled').waitFor();
    await other.locator('[data-testid="chat-input"]:disabled').waitFor();
    const microphones = () =>
      teacher.evaluate(() => {
        const people = /** @type {any} */ (window).__room.remoteParticipants.values();
        return [...people].filter((person) => person.isMicrophoneEnabled).length;
      });
    await eventually("no learner is heard", 20_000, async () => (await microphones()) === 0);
    await teacher.locator(".strip .tile-muted").nth(1).waitFor();
    await picture(other, "hushed");
    await teacher.getByTestId("tab-people").click();
    await teacher.getByTestId("person-floor").first().click();
    const called = /** @type {any} */ (await Promise.any(
      [learner, other].map(async (page) => {
        await page.getByTestId("floor-microphone").waitFor();
        return page;
      }),
    ));
    await called.getByTestId("floor-microphone").click();
    await eventually("whom the teacher calls on is heard", 20_000, async () => (await microphones()) === 1);
    await picture(teacher, "hushed-teacher");
    await teacher.getByTestId("lesson-hush").click();
    await other.getByTestId("banner-hushed").waitFor({ state: "detached" });
    await other.locator('[data-testid="control-mic"]:enabled').click();
    await learner.getByTestId("banner-hushed").waitFor({ state: "detached" });
    await eventually("learners are heard again", 20_000, async () => (await microphones()) >= 1);
  });
});

/**
 * Lets questions stand open as long as in real lessons, and none come but those that are pushed.
 * @param {Server} server
 */
function askOnlyByHand(server) {
  const figures = { prompt_s: 60, first_check_from_s: 3000, first_check_to_s: 3000 };
  const sql =
    `update lesson set state = jsonb_set(state, '{policy}', state->'policy' || ` +
    `'${JSON.stringify(figures)}')`;
  const socket = join(server.data, "postgres");
  const run = spawnSync("psql", ["-h", socket, "-U", "mingtang", "-c", sql, "mingtang"]);
  assert.equal(run.status, 0, String(run.stderr));
}
