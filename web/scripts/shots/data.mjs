// Invented people and lessons for screenshots, with the longest plausible names among them.

const county = { id: 'u4', name: '青川县社区矫正管理局', level: 4 };
const town = { id: 'u5', name: '竹园镇司法所', level: 5 };
const far = { id: 'u6', name: '乔庄镇司法所', level: 5 };

const now = Date.now();
export const at = (minutes) => new Date(now + minutes * 60_000).toISOString();

export const server = { name: 'mingtang', version: '0.1.0', demo: true };

export const people = {
  teacher: {
    account_id: 'a-teacher',
    person_id: 'p-teacher',
    username: 'teacher',
    name: '周文静',
    locale: 'zh-CN',
    unit: county,
    roles: [{ role: 'teacher', unit: county }],
    may: ['lessons.manage'],
  },
  learner: {
    account_id: 'a-learner1',
    person_id: 'p-learner1',
    username: 'learner1',
    name: '张建国',
    locale: 'zh-CN',
    unit: town,
    roles: [{ role: 'learner', unit: town }],
    may: [],
  },
  admin: {
    account_id: 'a-admin',
    person_id: 'p-admin',
    username: 'admin',
    name: '陈立新',
    locale: 'zh-CN',
    unit: county,
    roles: [{ role: 'system_administrator', unit: county }],
    may: ['lessons.manage', 'people.manage', 'units.manage', 'audit.read'],
  },
};

const teacher = { account_id: 'a-teacher', name: '周文静' };

export function lesson(change = {}) {
  return {
    id: 'l1',
    title: '中华人民共和国社区矫正法:权利与义务',
    unit: county,
    teacher,
    state: 'live',
    starts_at: at(-25),
    ends_at: at(35),
    started_at: at(-24),
    ended_at: null,
    learners: 26,
    my_role: 'learner',
    my_attendance_id: 't1',
    ...change,
  };
}

export const lessons = {
  today: [
    lesson(),
    lesson({
      id: 'l2',
      title: '心理健康与情绪管理',
      state: 'scheduled',
      starts_at: at(180),
      ends_at: at(240),
      started_at: null,
    }),
  ],
  upcoming: [
    lesson({
      id: 'l3',
      title: '防范电信网络诈骗以及帮助信息网络犯罪活动罪的典型案例分析(第二讲)',
      state: 'scheduled',
      starts_at: at(1440),
      ends_at: at(1500),
    }),
    lesson({
      id: 'l4',
      title: '就业指导',
      state: 'scheduled',
      starts_at: at(2880),
      ends_at: at(2940),
    }),
  ],
  past: [
    lesson({
      id: 'l5',
      title: '禁毒教育',
      state: 'ended',
      starts_at: at(-2880),
      ends_at: at(-2820),
    }),
    lesson({
      id: 'l6',
      title: '交通安全',
      state: 'cancelled',
      starts_at: at(-4320),
      ends_at: at(-4260),
    }),
  ],
};

const rowNames = [
  ['张建国', 'connected', 1440, 0, 'passed'],
  ['阿依古丽·艾合买提江', 'connected', 1260, 180, 'missed'],
  ['李秀英', 'interrupted', 1020, 0, 'interrupted'],
  ['欧阳志远', 'connected', 1440, 0, null],
  ['王强', 'absent', 0, 0, null],
  ['刘洋', 'connected', 1380, 0, 'passed'],
  ['孙丽', 'left', 600, 0, 'passed'],
];

export function board() {
  return {
    lesson: lesson({ my_role: 'teacher' }),
    server_time: new Date().toISOString(),
    rows: rowNames.map(([name, presence, credited, withheld, outcome], index) => ({
      attendance_id: `t${index + 1}`,
      account_id: `a-${index}`,
      name,
      unit_name: index % 2 ? far.name : town.name,
      presence,
      alive: index !== 5,
      credited_seconds: credited,
      withheld_seconds: withheld,
      pending: index === 3 ? { kind: 'presence', deadline: new Date(Date.now() + 41_000) } : null,
      last_outcome: outcome,
      needs_review: index === 1,
      paused: false,
    })),
  };
}

const proof = {
  commitment: '5f0c2b5e6c1f4c7d9d0b1f0f43f0a1c7a0f8c5a1b2d3e4f5061728394a5b6c7d',
  seed: null,
  rule_version: 1,
};

export const attendances = [
  { id: 't1', lesson: { id: 'l1', title: lesson().title, starts_at: at(-25) }, state: 'open' },
  {
    id: 't5',
    lesson: { id: 'l5', title: '禁毒教育', starts_at: at(-2880) },
    state: 'needs_review',
  },
  { id: 't7', lesson: { id: 'l7', title: '法律常识', starts_at: at(-9000) }, state: 'closed' },
].map((each, index) => ({
  ...each,
  ...proof,
  credited_seconds: [1080, 2100, 3600][index],
  withheld_seconds: [180, 840, 0][index],
}));

export function attendance(id) {
  const summary = attendances.find((each) => each.id === id) ?? attendances[0];
  const base = (Date.parse(summary.lesson.starts_at) - now) / 60_000;
  const stretch = (from, to, verdict, reason = null) => ({
    from: at(base + from),
    to: at(base + to),
    seconds: (to - from) * 60,
    verdict,
    reason,
  });
  return {
    ...summary,
    stretches: [
      stretch(1, 9, 'credited'),
      stretch(9, 12, 'withheld', 'check_missed'),
      stretch(14, 22, 'credited'),
      stretch(22, 25, 'pending'),
    ],
    checks: [
      check('c1', 'presence', base + 5, 'passed', 'schedule'),
      check('c2', 'question', base + 12, 'missed', 'schedule'),
      check('c3', 'presence', base + 22, 'passed', 'staff'),
    ],
  };
}

function check(id, kind, minute, outcome, by) {
  return {
    id,
    kind,
    asked_at: at(minute),
    deadline: at(minute + 1),
    answered_at: null,
    outcome,
    by,
  };
}

export const units = [
  ['u1', null, 1, '000000', '司法部社区矫正管理局'],
  ['u2', 'u1', 2, '510000', '四川省社区矫正管理局'],
  ['u3', 'u2', 3, '510800', '广元市社区矫正管理局'],
  ['u4', 'u3', 4, '510822', county.name],
  ['u5', 'u4', 5, '510822101', town.name],
  ['u6', 'u4', 5, '510822100', far.name],
].map(([id, parent_id, level, code, name]) => ({ id, parent_id, level, code, name }));

export const persons = rowNames.map(([name], index) => ({
  id: `p-${index}`,
  account_id: index === 4 ? null : `a-${index}`,
  username: index === 4 ? null : `learner${index + 1}`,
  name,
  kind: 'subject',
  unit: index % 2 ? far : town,
  roles: [{ role: 'learner', unit: index % 2 ? far : town }],
  disabled: index === 6,
}));

export const questions = [
  [
    'q1',
    '社区矫正对象离开所居住的市、县,应当怎么办?',
    'single',
    ['自行离开', '报经批准', '事后说明'],
  ],
  ['q2', '社区矫正对象有权提出申诉、控告和检举。', 'true_false', ['对', '错']],
].map(([id, text, kind, options]) => ({
  id,
  text,
  kind,
  unit: county,
  options: options.map((option, index) => ({
    key: 'abc'[index],
    text: option,
    correct: index === (kind === 'single' ? 1 : 0),
  })),
}));

export const audit = [
  ['login.accepted', '陈立新', 'account'],
  ['person.created', '陈立新', 'person'],
  ['lesson.started', '周文静', 'lesson'],
].map(([action, actor, subject], index) => ({
  seq: 120 - index,
  at: at(-index * 7),
  actor,
  action,
  subject,
  detail: { unit: county.name },
}));

export function prompt(kind) {
  const opened = Date.now() - 14_000;
  return {
    check_id: `check-${kind}`,
    attendance_id: 't1',
    kind,
    nonce: 'n1',
    opened_at: new Date(opened).toISOString(),
    deadline: new Date(opened + 60_000).toISOString(),
    server_time: new Date().toISOString(),
    attempts_left: kind === 'question' ? 3 : 1,
    question:
      kind === 'question'
        ? {
            text: questions[0].text,
            kind: 'single',
            options: questions[0].options.map(({ key, text }) => ({ key, text })),
          }
        : null,
  };
}
