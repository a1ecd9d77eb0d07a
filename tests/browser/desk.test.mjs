// @ts-check
/** The desk by role: what each may do there, with long names, refusals, and a server that is away. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";

import { Server, launch, picture, signIn } from "./support.mjs";

/** As long as names of units, people and lessons become. */
const UNIT = "新疆维吾尔自治区巴音郭楞蒙古自治州和静县巴音布鲁克镇司法所";
const PERSON = "阿卜杜热西提·买买提吐尔逊江·阿布都克里木";
const LESSON =
  "社区矫正集中教育：《中华人民共和国社区矫正法》及其实施办法的解读、案例分析与问答（第三十六期）";

describe("the desk", () => {
  /** @type {Server} */ let server;
  /** @type {any} */ let browser;

  before(async () => {
    server = await Server.start();
    browser = await launch();
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  test("an administrator adds a unit below another; a second of the same name is refused in the form", async () => {
    const page = await signIn(browser, server, "admin");
    await page.goto(`${server.url}/desk/units`);
    await page.locator(".ant-tree-title", { hasText: "吴中区司法局" }).click();
    const form = page.locator(".ant-card", { hasText: "下新增" });
    await addUnit(form, "650000001");
    await page.locator(".ant-tree-title", { hasText: UNIT }).waitFor();
    await addUnit(form, "650000002");
    await form.getByRole("alert").waitFor();
    assert.ok(await fits(page));
    await page.context().close();
  });

  test("an officer adds a person; a taken account is refused in the form and nothing is lost", async () => {
    const page = await signIn(browser, server, "officer");
    await page.goto(`${server.url}/desk/people`);
    await page.getByTestId("person-create").click();
    const drawer = page.locator(".ant-drawer");
    await drawer.locator("button[type=submit]").click();
    await drawer.getByText("请填写这一项").first().waitFor();
    await drawer.getByLabel("姓名").fill(PERSON);
    await drawer.locator(".ant-tree-select").click();
    await page.locator(".ant-select-tree-title", { hasText: UNIT }).click();
    await drawer.getByLabel("账号").fill("learner1");
    await drawer.getByLabel("初始密码").fill("longer-than-eight");
    await drawer.locator("button[type=submit]").click();
    await drawer.getByRole("alert").waitFor();
    assert.equal(await drawer.getByLabel("姓名").inputValue(), PERSON);
    await drawer
      .getByLabel("账号")
      .fill("abudurexiti.maimaitituerxunjiang.abudoukelimu");
    await drawer.locator("button[type=submit]").click();
    await page.getByTestId("person-row").filter({ hasText: PERSON }).waitFor();
    assert.ok(await fits(page));
    await picture(page, "desk-people");
    await page.context().close();
  });

  test("filters stand in the address, an export holds what they let through, the way back closes a form", async () => {
    const page = await signIn(browser, server, "admin");
    await page.goto(`${server.url}/desk/people?role=learner`);
    await page.getByTestId("person-row").nth(3).waitFor();
    assert.equal(await page.getByTestId("person-row").count(), 4);
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByTestId("export").click(),
    ]);
    const lines = readFileSync(await file.path(), "utf8")
      .trim()
      .split("\r\n");
    assert.equal(lines.length, 1 + 4, lines.join("\n"));
    await page.getByTestId("person-create").click();
    await page.locator(".ant-drawer-open").waitFor();
    await page.goBack();
    await page.locator(".ant-drawer-open").waitFor({ state: "detached" });
    assert.match(page.url(), /role=learner/);
    await page.context().close();
  });

  test("many are barred at once after a question, and one press takes it back", async () => {
    const page = await signIn(browser, server, "officer");
    await page.goto(`${server.url}/desk/people?role=learner&q=learner`);
    for (const name of ["周子安", "钱小满"])
      await page.getByLabel(`选择 ${name}`).check();
    await page.getByTestId("bulk-disable").click();
    await page.locator(".ant-modal .ant-btn-dangerous").click();
    await page.getByText("已停用").nth(1).waitFor();
    await page.getByTestId("undo").click();
    await page.getByText("已停用").first().waitFor({ state: "detached" });
    await page.context().close();
  });

  test("an officer arranges lessons for everybody of the unit, changes one, and cancels two at once", async () => {
    const page = await signIn(browser, server, "officer");
    await page.goto(`${server.url}/desk/lessons`);
    for (const part of ["上", "下"]) {
      await page.getByTestId("lesson-create").click();
      const drawer = page.locator(".ant-drawer-open");
      await drawer.getByTestId("lesson-title").fill(`${LESSON}${part}`);
      await drawer.getByRole("button", { name: "加入本单位全部学员" }).click();
      await drawer.getByText("已选 4 人").waitFor();
      await drawer.locator("button[type=submit]").click();
      await drawer.waitFor({ state: "detached" });
    }
    await page.goto(`${server.url}/desk/lessons?scope=${await scopeOfNew()}`);
    const rows = page.getByTestId("lesson-row").filter({ hasText: LESSON });
    await rows.nth(1).waitFor();
    await rows.first().getByTestId("lesson-menu").click();
    await page.getByRole("menuitem", { name: "编辑" }).click();
    await page.locator(".ant-drawer-open").getByText("已选 4 人").waitFor();
    await page.locator(".ant-drawer-open button[type=submit]").click();
    await page.locator(".ant-drawer-open").waitFor({ state: "detached" });
    // By name: the table may come in another order while it is ticked.
    for (const part of ["上", "下"]) {
      const row = rows.filter({ hasText: `${LESSON}${part}` });
      await row.locator("input[type=checkbox]").check();
    }
    await page.getByTestId("bulk").getByText("已选 2 项").waitFor();
    await page.getByTestId("bulk-cancel").click();
    await page.locator(".ant-modal .ant-btn-dangerous").click();
    await rows.filter({ hasText: "已取消" }).nth(1).waitFor();
    assert.ok(await fits(page));
    await page.context().close();
  });

  /** A lesson arranged late in the evening begins tomorrow. */
  async function scopeOfNew() {
    const bearer = await server.login("officer");
    const { items } = await server.call(
      "GET",
      "/api/lessons?scope=today",
      undefined,
      bearer,
    );
    const isToday = items.some((/** @type {any} */ lesson) =>
      lesson.title.startsWith(LESSON),
    );
    return isToday ? "today" : "upcoming";
  }

  test("a teacher writes a question, finds it by its words, and has neither people nor units", async () => {
    const page = await signIn(browser, server, "teacher");
    await page.goto(`${server.url}/desk/people`);
    await page.waitForURL(/desk\/lessons/);
    // Lessons, questions, courses, films, recordings.
    assert.equal(await page.locator(".desk-nav a").count(), 5);
    await page.goto(`${server.url}/desk/questions?new=1`);
    const drawer = page.locator(".ant-drawer-open");
    await drawer.locator("textarea").fill("请假外出几天以上要经县级机构批准？");
    await drawer.getByText("判断").click();
    await drawer.locator("button[type=submit]").click();
    await drawer.getByText("请标出正确答案").waitFor();
    await drawer.locator("input[type=checkbox]").first().check();
    await drawer.locator("button[type=submit]").click();
    await drawer.waitFor({ state: "detached" });
    await page.goto(
      `${server.url}/desk/questions?kind=true_false&q=${encodeURIComponent("请假外出")}`,
    );
    await page.getByText("请假外出几天以上").waitFor();
    assert.equal(await page.locator("tbody .ant-table-row").count(), 1);
    await page.context().close();
  });

  test("a file of questions is looked at first, told line by line, and taken as a whole", async () => {
    const page = await signIn(browser, server, "teacher");
    await page.goto(`${server.url}/desk/questions`);
    await page.getByTestId("question-import").click();
    const drawer = page.locator(".ant-drawer-open");
    const file = (/** @type {string} */ body) => ({
      name: "law.gift",
      mimeType: "text/plain",
      buffer: Buffer.from(body),
    });
    const good = "谁批准迁居？ {=县级司法局 ~居委会}\n\n";
    await drawer.locator("input[type=file]").setInputFiles(file(`${good}坏题`));
    await drawer.getByRole("alert").filter({ hasText: "第 3 行" }).waitFor();
    assert.equal(await drawer.getByTestId("import-do").count(), 0);
    await drawer
      .locator("input[type=file]")
      .setInputFiles(file(`${good}学时可以买。{F}`));
    await drawer.getByTestId("import-do").filter({ hasText: "2" }).click();
    await drawer.waitFor({ state: "detached" });
    await page.goto(
      `${server.url}/desk/questions?q=${encodeURIComponent("谁批准迁居")}`,
    );
    await page.getByText("谁批准迁居？").waitFor();
    await page.context().close();
  });

  test("a learner has no desk", async () => {
    const page = await signIn(browser, server, "learner1");
    await page.goto(`${server.url}/desk/people`);
    await page.getByTestId("lesson-card").first().waitFor();
    assert.equal(new URL(page.url()).pathname, "/");
    await page.context().close();
  });

  test("the audit tells in words what was done, and by whom", async () => {
    const page = await signIn(browser, server, "admin");
    await page.goto(`${server.url}/desk/audit?action=account_disabled`);
    const rows = page.locator("tbody .ant-table-row");
    await rows.nth(1).waitFor();
    assert.match(await rows.first().innerText(), /沈若兰\s+停用账号\s+钱小满/);
    await page.context().close();
  });

  test("a server that is away is said, waited for, and never looks like an empty table or signing out", async () => {
    const page = await signIn(browser, server, "admin");
    await page.goto(`${server.url}/desk/people`);
    await page.getByTestId("person-row").first().waitFor();
    await page.route("**/api/**", (/** @type {any} */ route) => route.abort());
    await page.locator(".desk-nav a", { hasText: "题库" }).click();
    await page.getByRole("alert").filter({ hasText: "连不上服务器" }).waitFor();
    await page.unroute("**/api/**");
    await page.getByRole("button", { name: "再试一次" }).click();
    await page.locator("tbody .ant-table-row").first().waitFor();
    await page.route("**/api/**", (/** @type {any} */ route) => route.abort());
    await page.reload();
    await page.getByTestId("away").waitFor();
    await page.unroute("**/api/**");
    await page.locator("tbody .ant-table-row").first().waitFor();
    await page.context().close();
  });
});

/** @param {any} form @param {string} code */
async function addUnit(form, code) {
  await form.getByLabel("单位名称").fill(UNIT);
  await form.getByLabel("编码").fill(code);
  await form.locator("button[type=submit]").click();
}

/** @param {any} page @returns {Promise<boolean>} */
function fits(page) {
  return page.evaluate(
    () => document.documentElement.scrollWidth <= window.innerWidth,
  );
}
