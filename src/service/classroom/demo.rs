//! Demo data of the classroom: a small question bank, a lesson to start now and some to look at.

use chrono::{DateTime, TimeDelta, Utc};

use super::lessons::{NewLesson, day_of, plan};
use crate::domain::classroom::lesson::Plan;
use crate::domain::classroom::quiz::{Question, QuestionKind, QuestionOption};
use crate::domain::id::QuestionId;
use crate::service::demo::Demo;
use crate::service::{Context, Error, outbox};
use crate::store::lesson::{Filter, Scope};
use crate::store::{self, Connection};

/// An item: text, kind, options; those that begin with `*` are right.
type Item = (&'static str, QuestionKind, &'static [&'static str]);

const BANK: [Item; 8] = [
    (
        "社区矫正期间，因家中老人住院需要离开所居住的市、县，应当怎么做？",
        QuestionKind::Single,
        &[
            "*事先向司法所提出申请，批准后再出发",
            "先出发，回来以后再说明情况",
            "让家属发一条短信告诉邻居",
            "不超过三天就不用申请",
        ],
    ),
    (
        "手机换了号码，第一件要办的事是：",
        QuestionKind::Single,
        &[
            "*及时把新号码报告给司法所",
            "等下一次集中学习时再说",
            "只告诉一起学习的朋友",
        ],
    ),
    (
        "下列哪些情况应当及时向司法所报告？（可多选）",
        QuestionKind::Multiple,
        &[
            "*搬家或者换了工作",
            "*家里发生重大变故",
            "*患了重病需要住院",
            "换了一部同号码的新手机壳",
        ],
    ),
    (
        "未经批准离开居住地，可能会受到训诫或者警告。",
        QuestionKind::TrueFalse,
        &["*正确", "错误"],
    ),
    (
        "买菜时摊主多找了五十元，当时没有发现，回家才看到。合适的做法是：",
        QuestionKind::Single,
        &[
            "*退还给摊主，多得的钱没有依据",
            "已经离开摊位，就归自己了",
            "捐出一半，留下一半",
        ],
    ),
    (
        "骑电动自行车上路，下列说法对的有：（可多选）",
        QuestionKind::Multiple,
        &[
            "*应当佩戴安全头盔",
            "*不能在机动车道内逆行",
            "*饮酒以后不要骑行",
            "夜里车少，可以不开灯",
        ],
    ),
    (
        "有人在网上自称办案人员，要求把钱转到“安全账户”配合调查。应当：",
        QuestionKind::Single,
        &[
            "*挂断，不转账，拨打 110 核实",
            "先转一小部分试试真假",
            "把验证码发过去证明清白",
        ],
    ),
    (
        "邻居之间因噪声起了争执，可以请人民调解委员会帮助调解，调解不收费。",
        QuestionKind::TrueFalse,
        &["*正确", "错误"],
    ),
];

/// Adds the bank to the demo county when it has none, and a lesson to start now when none waits
/// or runs today, with others later today and tomorrow.
pub async fn seed_demo(context: &Context, demo: &Demo) -> Result<(), Error> {
    let now = context.now();
    let mut transaction = context.store.begin().await?;
    if store::question::bank_of(&mut transaction, demo.county.id, 1)
        .await?
        .is_empty()
    {
        for item in &BANK {
            add_item(context, &mut transaction, demo, item).await?;
        }
    }
    if nothing_to_start(context, &mut transaction, demo).await? {
        let hour = TimeDelta::hours(1);
        let (_, tomorrow) = day_of(now);
        for (title, starts_at, length) in [
            ("社区矫正日常规定与请假报告", now, hour),
            ("身边的法律：民法典与邻里生活", now + hour * 2, hour),
            ("交通安全与警示教育", tomorrow + hour * 9, hour),
        ] {
            add_lesson(context, &mut transaction, demo, title, starts_at, length).await?;
        }
    }
    outbox::commit(context, transaction).await
}

async fn add_item(
    context: &Context,
    db: &mut Connection,
    demo: &Demo,
    (text, kind, options): &Item,
) -> Result<(), Error> {
    let now = context.now();
    let id = QuestionId::new(now, &*context.entropy);
    let options: Vec<QuestionOption> = options
        .iter()
        .map(|option| match option.strip_prefix('*') {
            Some(right) => QuestionOption {
                text: right.to_owned(),
                correct: true,
            },
            None => QuestionOption {
                text: (*option).to_owned(),
                correct: false,
            },
        })
        .collect();
    let question = Question::new(id, demo.county.id, text, *kind, options)?;
    store::question::insert(db, &question, Some(demo.officer), now).await
}

async fn nothing_to_start(
    context: &Context,
    db: &mut Connection,
    demo: &Demo,
) -> Result<bool, Error> {
    let now = context.now();
    let (day_from, day_to) = day_of(now);
    let filter = Filter {
        account: demo.teacher,
        officer_of: Vec::new(),
        scope: Scope::Today,
        day_from,
        day_to,
        limit: 50,
        offset: 0,
    };
    let (listed, _) = store::lesson::list(db, &filter).await?;
    let usable = |lesson: &crate::domain::classroom::lesson::Lesson| {
        let over = lesson.ended_at().is_some() || lesson.plan().ends_at <= now;
        lesson.is_running() || (!over && lesson.plan().starts_at <= now)
    };
    Ok(!listed.iter().any(|listed| usable(&listed.lesson)))
}

async fn add_lesson(
    context: &Context,
    db: &mut Connection,
    demo: &Demo,
    title: &str,
    starts_at: DateTime<Utc>,
    length: TimeDelta,
) -> Result<(), Error> {
    let new = NewLesson {
        unit: demo.county.id,
        plan: Plan {
            title: title.to_owned(),
            starts_at,
            ends_at: starts_at + length,
        },
        teacher: Some(demo.teacher),
        learners: demo.learners.clone(),
        face_checks: None,
    };
    plan(context, db, None, &demo.county, demo.teacher, new)
        .await
        .map(|_| ())
}
