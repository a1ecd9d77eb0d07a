//! What people do about withheld time, with what follows for credit and evidence.

use chrono::TimeDelta;
use mingtang::domain::classroom::credit::{Reason, Verdict};
use mingtang::domain::classroom::span::Span;
use mingtang::domain::id::{AccountId, AttendanceId};
use mingtang::service::classroom::redress::{self, AppealView};
use mingtang::service::classroom::view::{AttendanceView, StretchView};
use mingtang::service::{classroom, ledger};

use super::class::{Class, actor};
use super::rules::code;

/// A learner who missed a prompt, then passed one, in a class that is over.
struct Missed {
    class: Class,
    learner: AccountId,
    attendance: AttendanceId,
}

impl Missed {
    async fn attended() -> Self {
        let mut class = Class::live().await;
        let learner = class.demo.learners[0];
        class.until_prompt(learner).await;
        class.pass(70).await;
        class.attentive.push(learner);
        class.pass(1_500).await;
        classroom::end(&class.context, &class.teacher, class.lesson)
            .await
            .unwrap();
        class.pass(180).await;
        let attendance = class.attendances[&learner];
        Self {
            class,
            learner,
            attendance,
        }
    }

    async fn view(&self) -> AttendanceView {
        let learner = actor(&self.class.context, self.learner).await;
        classroom::attendance(&self.class.context, &learner, self.attendance)
            .await
            .unwrap()
    }

    async fn withheld(&self) -> StretchView {
        let view = self.view().await;
        let missed = |stretch: &StretchView| {
            stretch.verdict == Verdict::Withheld && stretch.reason == Some(Reason::CheckMissed)
        };
        view.stretches.into_iter().find(missed).expect("a stretch")
    }

    async fn appeal(&self) -> Result<(), mingtang::service::Error> {
        let stretch = self.withheld().await;
        let span = Span::new(stretch.from, stretch.to);
        let learner = actor(&self.class.context, self.learner).await;
        redress::appeal(
            &self.class.context,
            &learner,
            self.attendance,
            span,
            "当时断线",
        )
        .await
    }

    async fn appeals(&self) -> Vec<AppealView> {
        self.view().await.appeals
    }
}

#[tokio::test]
async fn an_appeal_upheld_by_another_officer_gives_the_missed_stretch_back() {
    let case = Missed::attended().await;
    let before = case.view().await;
    case.appeal().await.unwrap();
    assert_eq!(code(case.appeal().await), "appeal.already");
    let appeal = case.appeals().await[0].clone();
    assert_eq!((appeal.state, appeal.overdue), ("open", false));
    let context = &case.class.context;
    let (officer, said) = (&case.class.officer, (true, "日志显示断线"));
    let waiting = redress::waiting(context, officer, 20, 0).await.unwrap();
    assert_eq!((waiting.items.len(), waiting.decided), (1, 0));
    redress::decide_appeal(context, officer, case.attendance, appeal.id, said)
        .await
        .unwrap();
    let after = case.view().await;
    assert_eq!(after.appeals[0].state, "upheld");
    assert_eq!(after.appeals[0].reason.as_deref(), Some("日志显示断线"));
    let more = after.summary.credited_seconds - before.summary.credited_seconds;
    assert!(more >= appeal.stretch.seconds, "{more}");
    let waiting = redress::waiting(context, officer, 20, 0).await.unwrap();
    assert_eq!((waiting.items.len(), waiting.upheld), (0, 1));
    assert!(ledger::verify(context, None).await.unwrap().is_sound());
    assert!(classroom::verify_draws(context).await.unwrap().1.is_empty());
}

#[tokio::test]
async fn the_teacher_decides_no_appeal_and_nobody_appeals_after_72_hours() {
    let mut case = Missed::attended().await;
    case.appeal().await.unwrap();
    let appeal = case.appeals().await[0].id;
    let teacher = case.class.teacher.clone();
    let context = case.class.context.clone();
    let said = (true, "可以");
    let decided = redress::decide_appeal(&context, &teacher, case.attendance, appeal, said).await;
    assert_eq!(code(decided), "attendance.not_found");
    let learner = actor(&context, case.learner).await;
    redress::withdraw(&context, &learner, case.attendance, appeal)
        .await
        .unwrap();
    case.class.world.clock.advance(TimeDelta::hours(73));
    assert_eq!(code(case.appeal().await), "appeal.late");
    case.class.pass(5).await;
}

#[tokio::test]
async fn an_appeal_that_nobody_decides_escalates_after_three_working_days() {
    let mut case = Missed::attended().await;
    case.appeal().await.unwrap();
    let due = case.appeals().await[0].due_at;
    let wait = due - case.class.context.now();
    case.class.world.clock.advance(wait);
    case.class.pass(5).await;
    assert!(case.appeals().await[0].overdue);
}

#[tokio::test]
async fn two_people_are_needed_to_add_sixty_minutes() {
    let case = Missed::attended().await;
    let context = &case.class.context;
    let before = case.view().await.summary.credited_seconds;
    let officer = &case.class.officer;
    let proposed = (3_600, "现场签到表");
    redress::propose(context, officer, case.attendance, proposed)
        .await
        .unwrap();
    assert_eq!(case.view().await.summary.credited_seconds, before);
    let id = case.view().await.adjustments[0].id;
    let own = redress::second(context, officer, case.attendance, (id, true)).await;
    assert_eq!(code(own), "adjustment.same_person");
    let administrator = actor(context, case.class.demo.administrator).await;
    redress::second(context, &administrator, case.attendance, (id, true))
        .await
        .unwrap();
    let after = case.view().await;
    assert_eq!(after.summary.credited_seconds, before + 3_600);
    assert_eq!(after.adjusted_seconds, 3_600);
    let learner = actor(context, case.learner).await;
    let (_, _, total) = classroom::mine(context, &learner, 20, 0).await.unwrap();
    assert_eq!(total, before + 3_600);
    assert!(ledger::verify(context, None).await.unwrap().is_sound());
}
