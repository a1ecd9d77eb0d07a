// @ts-check
/** Questions to a whole class: written answers, the chat that waits, the live count, polls. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Server, launch, picture, signIn, throughPrejoin } from "./support.mjs";

const NUMBER = "圆周率取两位小数是多少？";
const WORDS = "迁居申请应当向谁提出？";
/** The demo policy's prompts are open for 12 s; whoever is asked already is asked again by hand. */
const PROMPT_MS = 60_000;

describe("questions to a whole class", () => {
  /** @type {Server} */ let server;
  /** @type {any} */ let browser;
  /** @type {any} */ let teacher;
  /** @type {any} */ let learner;

  before(async () => {
    server = await Server.start();
    browser = await launch();
    teacher = await signIn(browser, server, "teacher");
    await write(teacher, "数值", NUMBER, ["3.14±0.005"]);
    await write(teacher, "填空", WORDS, ["司法所", "执行地司法所"]);
    await teacher.goto(server.url);
    await teacher.getByTestId("lesson-start").first().click();
    await throughPrejoin(teacher);
    learner = await signIn(browser, server, "learner1", {
      viewport: { width: 390, height: 844 },
    });
    await learner.getByTestId("lesson-join").first().click();
    await throughPrejoin(learner);
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

  /** Puts a question to the class until the learner is asked it: another prompt may be open. @param {string} text */
  async function push(text) {
    const card = learner.getByTestId("prompt-card").filter({ hasText: text });
    const deadline = Date.now() + PROMPT_MS;
    while (Date.now() < deadline) {
      await teacher.getByTestId("lesson-question").click();
      const row = teacher.locator(".question-list li").filter({ hasText: text });
      await row.getByTestId("question-ask").click();
      const asked = await card.waitFor({ timeout: 2_000 }).then(
        () => true,
        () => false,
      );
      if (asked) return card;
      await dismiss();
      await teacher.keyboard.press("Escape");
    }
    throw new Error(`never asked: ${text}`);
  }

  /** Answers whatever else is asked, so that the class can go on. */
  async function dismiss() {
    const here = learner.locator('[data-kind="presence"] [data-testid="prompt-answer"]');
    if (await here.isVisible()) await here.click();
    const option = learner.getByTestId("prompt-option").first();
    if (await option.isVisible()) {
      await option.click();
      await learner.getByTestId("prompt-answer").click();
    }
    const done = learner.getByTestId("prompt-dismiss");
    if (await done.isVisible()) await done.click();
  }

  test("a number is typed on a keypad of digits, and a slip of the pen costs no try", async () => {
    const card = await push(NUMBER);
    const field = card.getByTestId("prompt-written");
    assert.equal(await field.getAttribute("inputmode"), "decimal");
    await field.fill("三点一四");
    await card.getByTestId("prompt-answer").click();
    await card.getByRole("alert").filter({ hasText: "只填一个数字" }).waitFor();
    await picture(learner, "prompt-number");
    await field.fill("３．１４");
    await card.getByTestId("prompt-answer").click();
    await learner.locator('[data-testid="prompt-result"][data-outcome="passed"]').waitFor();
  });

  test("words are right in whatever punctuation", async () => {
    const card = await push(WORDS);
    const field = card.getByTestId("prompt-written");
    assert.equal(await field.getAttribute("inputmode"), "text");
    await field.fill("“司法所”。");
    await picture(learner, "prompt-words");
    await card.getByTestId("prompt-answer").click();
    await learner.locator('[data-testid="prompt-result"][data-outcome="passed"]').waitFor();
  });
});
