// Takes pictures of the pages with invented data, without a server, and says where something
// overflows and where axe finds a serious fault: node scripts/shots/shots.mjs [name part].
// Pages come from dist/ (build first), the classroom from room.html with simulated participants,
// answers of the API from data.mjs.
import { mkdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { createServer } from 'vite';
import * as data from './data.mjs';

const ORIGIN = 'http://localhost:7999';
const axe = readFileSync(
  new URL('../../node_modules/axe-core/axe.min.js', import.meta.url),
  'utf8',
);
const LIVE_ORIGIN = 'http://127.0.0.1:7998';
const root = fileURLToPath(new URL('../../', import.meta.url));
const dist = fileURLToPath(new URL('../../dist/', import.meta.url));
const out = fileURLToPath(new URL('../../shots/', import.meta.url));
const wanted = process.argv[2] ?? '';
const TYPES = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

const PHONE = { width: 390, height: 844 };
const DESK = { width: 1440, height: 900 };
const WIDE = { width: 1920, height: 1080 };

function answer(path, query, who, prompt) {
  if (path === '/api/auth/refresh') {
    return who ? { access_token: 't', expires_in: 600, me: data.people[who] } : undefined;
  }
  if (path === '/api/server') return data.server;
  if (path === '/api/lessons') {
    const items = data.lessons[query.get('scope')].map((each) => mine(each, who));
    return { items, total: items.length };
  }
  if (/^\/api\/lessons\/[^/]+\/board$/.test(path)) return data.board();
  if (/^\/api\/lessons\/[^/]+\/learners$/.test(path)) return { items: data.persons.slice(0, 3) };
  if (/^\/api\/lessons\/[^/]+$/.test(path)) {
    const found = [...data.lessons.today, ...data.lessons.upcoming, ...data.lessons.past];
    return mine(found.find((each) => path.endsWith(each.id)) ?? data.lesson(), who);
  }
  if (path === '/api/me/attendances') {
    return { items: data.attendances, total: 3, credited_seconds_total: 6780 };
  }
  if (/heartbeat$/.test(path)) {
    return {
      server_time: new Date().toISOString(),
      credited_seconds: 1080,
      prompt: prompt ? data.prompt(prompt) : null,
    };
  }
  if (/^\/api\/checks\//.test(path)) {
    return { outcome: 'passed', attempts_left: 0, credited_seconds: 1080 };
  }
  if (path.startsWith('/api/attendances/')) return data.attendance(path.split('/').at(-1));
  if (path === '/api/units') return { items: data.units };
  if (path === '/api/people') return { items: data.persons, total: data.persons.length };
  if (path === '/api/questions') return { items: data.questions };
  if (path === '/api/audit') return { items: data.audit };
  return undefined;
}

function mine(lesson, who) {
  return { ...lesson, my_role: who === 'learner' ? 'learner' : 'teacher' };
}

async function serve(route, who, prompt) {
  const url = new URL(route.request().url());
  if (url.pathname.startsWith('/api/')) {
    const body = answer(url.pathname, url.searchParams, who, prompt);
    if (body === undefined) {
      return route.fulfill({ status: 401, json: { code: 'auth.required', zh: '', en: '' } });
    }
    return route.fulfill({ json: body });
  }
  const isFile = extname(url.pathname) !== '';
  const path = isFile ? url.pathname.slice(1) : 'index.html';
  return route.fulfill({
    body: readFileSync(dist + path),
    contentType: isFile ? TYPES[extname(path)] : 'text/html',
  });
}

const press = (testId) => async (page) => {
  await page.getByTestId(testId).first().click();
  await page.waitForTimeout(500);
};

const pages = [
  { name: 'sign-in', path: '/sign-in' },
  { name: 'home-learner', path: '/', who: 'learner' },
  { name: 'home-teacher', path: '/', who: 'teacher' },
  { name: 'prejoin', path: '/lessons/l1', who: 'learner', settle: 1500 },
  { name: 'prejoin-wait', path: '/lessons/l2', who: 'learner', settle: 1500 },
  { name: 'record', path: '/record?open=t1', who: 'learner' },
  { name: 'account', path: '/', who: 'learner', act: press('account-menu') },
  { name: 'desk-lessons', path: '/desk/lessons', who: 'admin' },
  { name: 'desk-lesson-new', path: '/desk/lessons?new=1', who: 'admin', settle: 1200 },
  { name: 'desk-people', path: '/desk/people', who: 'admin' },
  { name: 'desk-units', path: '/desk/units?unit=u4', who: 'admin' },
  { name: 'desk-questions', path: '/desk/questions', who: 'admin' },
  {
    name: 'desk-question-new',
    path: '/desk/questions',
    who: 'admin',
    act: press('question-create'),
  },
  { name: 'desk-audit', path: '/desk/audit', who: 'admin' },
];

const rooms = [
  { name: 'room-teacher', path: '?as=teacher', who: 'teacher' },
  { name: 'room-learner', path: '?as=learner', who: 'learner' },
  { name: 'room-record', path: '?as=learner', who: 'learner', panel: 'record' },
  { name: 'room-people', path: '?as=teacher', who: 'teacher', panel: 'people' },
  { name: 'room-board', path: '?as=teacher&lesson=break', who: 'teacher', panel: 'board' },
  { name: 'room-chat', path: '?as=learner&state=reconnecting', who: 'learner', panel: 'chat' },
  {
    name: 'room-question-list',
    path: '?as=teacher',
    who: 'teacher',
    act: press('lesson-question'),
  },
  { name: 'room-devices', path: '?as=teacher&count=1', who: 'teacher', panel: 'devices' },
  { name: 'prompt-presence', path: '?as=learner&prompt=presence', who: 'learner' },
  { name: 'prompt-question', path: '?as=learner&prompt=question', who: 'learner' },
  { name: 'prompt-passed', path: '?as=learner&result=passed', who: 'learner' },
  { name: 'prompt-missed', path: '?as=learner&result=missed', who: 'learner' },
].map((room) => ({
  settle: 2200,
  act: room.panel && openPanel(room.panel),
  ...room,
  path: `/scripts/shots/room.html${room.path}`,
  live: true,
}));

function openPanel(name) {
  return async (page) => {
    const wide = page.getByTestId(`control-${name}`).filter({ visible: true });
    if ((await wide.count()) > 0) {
      if (await page.locator(`[aria-selected=true][data-testid=tab-${name}]`).count()) return;
      await wide.first().click();
    } else {
      await page.getByTestId('control-more').click();
      await page.getByTestId(`more-${name}`).or(page.locator('.menu-item').last()).first().click();
    }
    await page.waitForTimeout(500);
  };
}

const looks = [
  { name: 'phone-light-zh', viewport: PHONE, theme: 'light', language: 'zh-CN' },
  { name: 'phone-dark-en', viewport: PHONE, theme: 'dark', language: 'en' },
  { name: 'desk-light-zh', viewport: DESK, theme: 'light', language: 'zh-CN' },
  { name: 'desk-dark-en', viewport: DESK, theme: 'dark', language: 'en' },
  { name: 'wide-light-en', viewport: WIDE, theme: 'light', language: 'en' },
];

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--use-fake-device-for-media-stream',
    '--use-fake-ui-for-media-stream',
    '--autoplay-policy=no-user-gesture-required',
  ],
});
const vite = await createServer({ root, logLevel: 'error', server: { port: 7998 } });
await vite.listen();
mkdirSync(out, { recursive: true });
for (const look of looks) {
  for (const page of [...pages, ...rooms]) {
    const name = `${page.name}-${look.name}`;
    if (!name.includes(wanted)) continue;
    await take(name, page, look);
  }
}
await browser.close();
await vite.close();

async function take(name, shown, { viewport, theme, language }) {
  const { path, who, act, settle = 900, prompt, live } = shown;
  const context = await browser.newContext({ viewport, locale: language });
  await context.addInitScript(
    ([chosenTheme, chosenLanguage]) => {
      localStorage.setItem('mingtang.theme', chosenTheme);
      localStorage.setItem('mingtang.language', chosenLanguage);
    },
    [theme, language],
  );
  const page = await context.newPage();
  page.on('pageerror', (error) => console.log(`${name}: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes('401'))
      console.log(`${name}: ${message.text()}`);
  });
  const origin = live ? LIVE_ORIGIN : ORIGIN;
  await page.route(live ? `${origin}/api/**` : `${origin}/**`, (route) => {
    const isApi = new URL(route.request().url()).pathname.startsWith('/api/');
    return live && !isApi ? route.continue() : serve(route, who, prompt);
  });
  await page.goto(origin + path);
  await page.waitForTimeout(settle);
  if (act) await act(page);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (wide > 0) console.log(`${name}: ${wide} px too wide`);
  await page.addScriptTag({ content: axe });
  const { violations } = await page.evaluate(() => window.axe.run());
  for (const { id, impact, nodes } of violations) {
    if (impact !== 'serious' && impact !== 'critical') continue;
    console.log(`${name}: axe ${impact} ${id}: ${nodes[0].html.slice(0, 160)}`);
  }
  await page.screenshot({ path: `${out}${name}.png` });
  await context.close();
}
