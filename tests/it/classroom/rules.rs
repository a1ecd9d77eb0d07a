//! What learners and staff meet in a class.

use chrono::TimeDelta;
use mingtang::domain::actor::Role;
use mingtang::domain::classroom::check::{Answer, Outcome};
use mingtang::domain::classroom::credit::Reason;
use mingtang::domain::person::PersonKind;
use mingtang::media::signal::{LeaveReason, TrackSource};
use mingtang::service::classroom::{self, Heartbeat, SeatRole};
use mingtang::service::{Error, outbox, setup};

use super::class::{Class, actor};
use crate::waiting::coming;

pub fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    match result {
        Err(Error::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_ignored_check_withholds_the_stretch_and_the_board_shows_it() {
    let mut class = Class::live().await;
    let (idle, keen) = (class.demo.learners[0], class.demo.learners[1]);
    class.until_prompt(idle).await;
    assert!(class.row(idle).await.pending.is_some());
    class.pass(70).await;
    let row = class.row(idle).await;
    assert_eq!(row.last_outcome, Some(Outcome::Missed));
    assert!(
        row.withheld_seconds > 0 && row.credited_seconds == 0,
        "{row:?}"
    );
    class.pass(700).await;
    let row = class.row(keen).await;
    assert!(
        row.credited_seconds > 300 && row.withheld_seconds == 0,
        "{row:?}"
    );
    let row = class.row(idle).await;
    assert!(row.needs_review && row.paused, "{row:?}");
    let id = class.attendances[&idle];
    let view = classroom::attendance(&class.context, &class.learners[0], id)
        .await
        .unwrap();
    assert!(
        view.stretches
            .iter()
            .any(|s| s.reason == Some(Reason::CheckMissed))
    );
}

#[tokio::test]
async fn an_answer_passes_once_and_a_late_one_is_kept_as_late() {
    let mut class = Class::live().await;
    let learner = class.demo.learners[0];
    let prompt = class.until_prompt(learner).await;
    let answered = class.answer(learner, &prompt, true).await.unwrap();
    assert_eq!(answered.outcome, Outcome::Passed);
    assert_eq!(
        code(class.answer(learner, &prompt, true).await),
        "check.answered"
    );
    let late = class.until_prompt(learner).await;
    class.world.clock.advance(TimeDelta::seconds(61));
    let answered = class.answer(learner, &late, true).await.unwrap();
    assert_eq!(answered.outcome, Outcome::Missed);
}

#[tokio::test]
async fn nobody_answers_for_another_and_a_guess_is_nothing() {
    let mut class = Class::live().await;
    let (learner, other) = (class.demo.learners[0], class.demo.learners[1]);
    let mut prompt = class.until_prompt(learner).await;
    assert_eq!(
        code(class.answer(other, &prompt, true).await),
        "check.unknown"
    );
    prompt.nonce = "00".repeat(16);
    assert_eq!(
        code(class.answer(learner, &prompt, true).await),
        "check.nonce"
    );
    assert!(
        class.prompt(learner).await.is_some(),
        "the prompt is still open"
    );
}

#[tokio::test]
async fn the_later_device_takes_the_place_and_the_earlier_one_no_longer_counts() {
    let mut class = Class::live().await;
    let learner = class.learners[0].clone();
    class.pass(30).await;
    classroom::join(&class.context, &learner, class.lesson, "laptop")
        .await
        .unwrap();
    let heartbeat = |device: &str| Heartbeat {
        visible: true,
        playing: true,
        device: device.into(),
    };
    let id = class.attendances[&learner.account];
    let old = classroom::heartbeat(&class.context, &learner, id, &heartbeat("phone")).await;
    assert_eq!(code(old), "attendance.device_replaced");
    classroom::heartbeat(&class.context, &learner, id, &heartbeat("laptop"))
        .await
        .unwrap();
    let other = &class.learners[1];
    let theirs = classroom::heartbeat(&class.context, other, id, &heartbeat("laptop")).await;
    assert_eq!(code(theirs), "attendance.not_found");
}

#[tokio::test]
async fn a_page_in_the_background_earns_nothing() {
    let mut class = Class::live().await;
    let learner = class.demo.learners[0];
    class.pass(20).await;
    assert!(class.row(learner).await.alive);
    class.hidden.push(learner);
    class.pass(300).await;
    assert!(!class.row(learner).await.alive);
    class.hidden.clear();
    let prompt = class.until_prompt(learner).await;
    class.answer(learner, &prompt, true).await.unwrap();
    let id = class.attendances[&learner];
    let view = classroom::attendance(&class.context, &class.learners[0], id)
        .await
        .unwrap();
    let dead: u64 = view
        .stretches
        .iter()
        .filter(|s| s.reason == Some(Reason::NotAlive))
        .map(|s| s.seconds)
        .sum();
    assert!((285..=300).contains(&dead), "{dead} s not alive");
}

#[tokio::test]
async fn a_lost_teacher_makes_a_break_and_the_return_ends_it() {
    let mut class = Class::live().await;
    class.pass(20).await;
    class
        .disconnect(class.demo.teacher, LeaveReason::ConnectionLost)
        .await;
    let state = |view: mingtang::service::classroom::view::LessonView| view.state;
    let seen = classroom::get(&class.context, &class.learners[0], class.lesson)
        .await
        .unwrap();
    assert_eq!(state(seen), "break");
    class.pass(240).await;
    for learner in &class.demo.learners {
        assert!(class.row(*learner).await.last_outcome.is_none());
    }
    class.connect(class.demo.teacher).await;
    let seen = classroom::get(&class.context, &class.learners[0], class.lesson)
        .await
        .unwrap();
    assert_eq!(state(seen), "live");
    class.pass(600).await;
    let row = class.row(class.demo.learners[0]).await;
    assert!(row.withheld_seconds == 0, "{row:?}");
}

#[tokio::test]
async fn only_the_enrolled_and_the_staff_of_the_unit_enter_and_only_while_it_runs() {
    let class = Class::planned().await;
    let (context, lesson) = (&class.context, class.lesson);
    let early = classroom::join(context, &class.learners[0], lesson, "phone").await;
    assert_eq!(code(early), "lesson.not_live");
    let seat = classroom::join(context, &class.teacher, lesson, "desk")
        .await
        .unwrap();
    assert_eq!((seat.role, seat.attendance), (SeatRole::Teacher, None));
    classroom::start(context, &class.teacher, lesson)
        .await
        .unwrap();
    let new = setup::NewUser {
        username: "stranger",
        password: "a long demo password",
        name: "郑无忌",
        kind: PersonKind::Subject,
        role: Role::Learner,
        unit: class.demo.sibling.id,
    };
    let stranger = setup::add_user(context, new).await.unwrap();
    let stranger = actor(context, stranger).await;
    let strange = classroom::join(context, &stranger, lesson, "phone").await;
    assert_eq!(code(strange), "lesson.not_found");
    let room = classroom::room_name(lesson);
    let identity = stranger.account.to_string();
    assert_eq!(
        code(classroom::seat_of(context, &room, &identity).await),
        "lesson.not_found"
    );
    assert!(
        classroom::seat_of(context, "plain", &identity)
            .await
            .unwrap()
            .is_none()
    );
    let identity = class.learners[0].account.to_string();
    let seat = classroom::seat_of(context, &room, &identity)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        seat.permissions.sources,
        [TrackSource::Camera, TrackSource::Microphone]
    );
    let board = classroom::board(context, &class.learners[0], lesson).await;
    assert_eq!(code(board), "auth.forbidden");
    classroom::end(context, &class.officer, lesson)
        .await
        .unwrap();
    assert_eq!(
        code(classroom::seat_of(context, &room, &identity).await),
        "lesson.not_live"
    );
}

#[tokio::test]
async fn staff_asks_everybody_present_and_the_question_comes_as_an_announcement() {
    let mut class = Class::live().await;
    class.pass(10).await;
    class.attentive.clear();
    class
        .disconnect(class.demo.learners[2], LeaveReason::ClientInitiated)
        .await;
    outbox::dispatch(&class.context).await.unwrap();
    let mut stream = class
        .context
        .events
        .subscribe(class.demo.learners[0], std::collections::BTreeSet::new())
        .unwrap();
    let bank = classroom::list_questions(&class.context, &class.teacher, None)
        .await
        .unwrap();
    let asked =
        classroom::question_now(&class.context, &class.teacher, class.lesson, bank[0].id).await;
    assert_eq!(asked.unwrap().asked, 2);
    outbox::dispatch(&class.context).await.unwrap();
    let announced = coming("an announcement", stream.next()).await.unwrap();
    assert_eq!(announced.kind, "prompt_opened");
    assert!(announced.payload.contains(&bank[0].text));
    assert!(
        !announced.payload.contains("correct"),
        "the solution stays here"
    );
    let again = classroom::check_now(&class.context, &class.teacher, class.lesson, None).await;
    assert_eq!(again.unwrap(), 0, "one prompt at a time");
    let prompt = class.prompt(class.demo.learners[0]).await.unwrap();
    let (check, unknown) = (prompt.check_id, Answer::Keys(vec!["z".into()]));
    let learner = &class.learners[0];
    let forged = classroom::answer(&class.context, learner, check, &prompt.nonce, &unknown);
    assert_eq!(code(forged.await), "answer.keys");
}

#[tokio::test]
async fn two_lessons_at_once_earn_each_second_once() {
    let mut class = Class::live().await;
    let learner = class.learners[0].clone();
    let now = class.context.now();
    let plan = mingtang::domain::classroom::lesson::Plan {
        title: "Second".into(),
        starts_at: now,
        ends_at: now + TimeDelta::hours(1),
    };
    let new = classroom::NewLesson {
        unit: class.demo.county.id,
        plan,
        teacher: Some(class.demo.officer),
        learners: vec![learner.account],
        face_checks: None,
    };
    let second = classroom::create(&class.context, &class.officer, new)
        .await
        .unwrap()
        .id;
    classroom::start(&class.context, &class.officer, second)
        .await
        .unwrap();
    class.world.clock.advance(TimeDelta::seconds(1));
    let first = class.lesson;
    let first_attendance = class.attendances[&learner.account];
    class.lesson = second;
    class.enter(&learner, "phone").await;
    let second_attendance = class.attendances[&learner.account];
    for _ in 0..180 {
        class.world.clock.advance(TimeDelta::seconds(5));
        for (lesson, attendance) in [(first, first_attendance), (second, second_attendance)] {
            class.lesson = lesson;
            class.attendances.insert(learner.account, attendance);
            class.beat(&learner, "phone").await;
            class.presence().await;
            classroom::run_due(&class.context).await.unwrap();
            if class.prompt(learner.account).await.is_some() {
                class.answer_right(learner.account).await.unwrap();
            }
        }
    }
    let (_, _, credited_s) = classroom::mine(&class.context, &learner, 10, 0)
        .await
        .unwrap();
    let view = |id| classroom::attendance(&class.context, &learner, id);
    let (one, two) = (
        view(first_attendance)
            .await
            .unwrap()
            .summary
            .credited_seconds,
        view(second_attendance)
            .await
            .unwrap()
            .summary
            .credited_seconds,
    );
    assert!(one > 300, "{one}");
    assert!(one + two <= 901 && credited_s <= 901, "{one} + {two}");
}
