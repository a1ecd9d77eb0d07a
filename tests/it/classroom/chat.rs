//! The chat of a class: what waits while a question is open, who reads what, how long it is kept.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use mingtang::domain::actor::Actor;
use mingtang::domain::announcement::Topic;
use mingtang::service::classroom::{self, MessageView};
use mingtang::service::{Error, outbox};

use super::class::Class;
use super::rules::code;
use crate::waiting::coming;

impl Class {
    async fn say(&self, who: &Actor, text: &str) -> Result<MessageView, Error> {
        // No two messages at the same moment.
        self.world.clock.advance(TimeDelta::milliseconds(1));
        classroom::say(&self.context, who, self.lesson, text).await
    }

    /// What somebody reads.
    async fn reads(&self, who: &Actor) -> Vec<String> {
        let found = classroom::messages(&self.context, who, self.lesson).await;
        found.unwrap().into_iter().map(|said| said.text).collect()
    }

    /// Puts a question to everybody here.
    async fn push_question(&self) -> usize {
        let bank = classroom::list_questions(&self.context, &self.teacher, None)
            .await
            .unwrap();
        let choice = bank.iter().find(|item| item.text == "One?").unwrap();
        classroom::question_now(&self.context, &self.teacher, self.lesson, choice.id)
            .await
            .unwrap()
            .asked
    }
}

#[tokio::test]
async fn while_a_question_is_open_learners_wait_for_its_last_window_and_staff_do_not() {
    let mut class = Class::live().await;
    class.pass(10).await;
    class.attentive.clear();
    let [asker, quick, slow] = &class.learners.clone()[..] else {
        panic!("three learners");
    };
    let before = class.say(asker, "before").await.unwrap();
    assert!(!before.held);
    assert_eq!(class.push_question().await, 3);
    assert!(class.say(asker, "is it B?").await.unwrap().held);
    assert!(
        !class
            .say(&class.teacher, "think for yourselves")
            .await
            .unwrap()
            .held
    );
    for learner in [quick, slow] {
        assert_eq!(
            class.reads(learner).await,
            ["before", "think for yourselves"]
        );
    }
    let all = ["before", "is it B?", "think for yourselves"];
    assert_eq!(class.reads(asker).await, all, "one's own is there");
    assert_eq!(class.reads(&class.teacher).await, all, "staff see all");
    for learner in [asker, quick] {
        class.answer_right(learner.account).await.unwrap();
    }
    classroom::run_due(&class.context).await.unwrap();
    assert_eq!(
        class.reads(quick).await.len(),
        2,
        "somebody is still answering"
    );
    class.answer_right(slow.account).await.unwrap();
    classroom::run_due(&class.context).await.unwrap();
    assert_eq!(class.reads(quick).await, all);
    assert!(!class.say(asker, "after").await.unwrap().held);
}

#[tokio::test]
async fn a_held_message_is_told_to_staff_and_its_sender_and_to_all_once_it_goes() {
    let mut class = Class::live().await;
    class.pass(10).await;
    class.attentive.clear();
    let [asker, other, _] = &class.learners.clone()[..] else {
        panic!("three learners");
    };
    class.push_question().await;
    outbox::dispatch(&class.context).await.unwrap();
    let events = &class.context.events;
    let topics = |topic| BTreeSet::from([topic]);
    let lesson = topics(Topic::lesson(class.lesson));
    let staff = topics(Topic::lesson_staff(class.lesson));
    let mut theirs = events.subscribe(other.account, lesson.clone()).unwrap();
    let mut own = events.subscribe(asker.account, lesson).unwrap();
    let mut teachers = events.subscribe(class.teacher.account, staff).unwrap();
    class.say(asker, "held").await.unwrap();
    outbox::dispatch(&class.context).await.unwrap();
    for stream in [&mut own, &mut teachers] {
        let told = coming("a message", stream.next()).await.unwrap();
        assert_eq!(told.kind, "chat_message");
        assert!(told.payload.contains(r#""held":true"#), "{}", told.payload);
    }
    class.world.clock.advance(TimeDelta::seconds(70));
    classroom::run_due(&class.context).await.unwrap();
    classroom::run_due(&class.context).await.unwrap();
    outbox::dispatch(&class.context).await.unwrap();
    loop {
        let told = coming("the message", theirs.next()).await.unwrap();
        if told.kind == "chat_message" {
            assert!(told.payload.contains(r#""held":false"#), "{}", told.payload);
            break;
        }
        assert!(!told.payload.contains("\"text\":\"held\""), "too early");
    }
}

#[tokio::test]
async fn a_message_waits_for_the_windows_that_were_open_and_for_none_that_came_later() {
    let mut class = Class::live().await;
    class.pass(10).await;
    class.attentive.clear();
    class.push_question().await;
    let learners = class.learners.clone();
    class.say(&learners[0], "first").await.unwrap();
    for learner in &learners {
        class.answer_right(learner.account).await.unwrap();
    }
    class.world.clock.advance(TimeDelta::seconds(1));
    assert_eq!(class.push_question().await, 3, "the next question is open");
    assert!(class.say(&learners[0], "second").await.unwrap().held);
    classroom::run_due(&class.context).await.unwrap();
    assert_eq!(class.reads(&learners[1]).await, ["first"]);
}

#[tokio::test]
async fn whoever_is_not_of_the_lesson_neither_reads_nor_speaks() {
    let class = Class::planned().await;
    let outsider = &class.learners[2];
    let wanted = class.demo.learners[..2].to_vec();
    classroom::set_learners(&class.context, &class.teacher, class.lesson, wanted)
        .await
        .unwrap();
    classroom::start(&class.context, &class.teacher, class.lesson)
        .await
        .unwrap();
    let read = classroom::messages(&class.context, outsider, class.lesson).await;
    assert_eq!(code(read), "lesson.not_found");
    assert_eq!(code(class.say(outsider, "hello").await), "lesson.not_found");
}

#[tokio::test]
async fn only_staff_take_the_chat_away_and_nobody_floods_it() {
    let class = Class::live().await;
    let learner = &class.learners[0];
    class
        .say(learner, "=SUM(1,2), \"said\"\n老师好")
        .await
        .unwrap();
    class.say(&class.teacher, "大家好").await.unwrap();
    let table = classroom::export_chat(&class.context, &class.teacher, class.lesson);
    let table = String::from_utf8(table.await.unwrap()).unwrap();
    assert!(
        table.starts_with("\u{feff}时间,姓名,身份,消息,范围\n"),
        "{table}"
    );
    assert!(
        table.contains("\"'=SUM(1,2), \"\"said\"\"\n老师好\",全班"),
        "{table}"
    );
    assert!(table.contains("老师或工作人员,大家好,全班"), "{table}");
    let theirs = classroom::export_chat(&class.context, learner, class.lesson).await;
    assert_eq!(code(theirs), "auth.forbidden");
    for number in 0..20 {
        match class.say(learner, &format!("{number}")).await {
            Ok(_) => assert!(number < 9, "ten in ten seconds"),
            Err(refused) => assert_eq!(code::<MessageView>(Err(refused)), "chat.too_fast"),
        }
    }
}

#[tokio::test]
async fn whoever_has_not_entered_is_not_heard() {
    let class = Class::planned().await;
    let learner = class.learners[0].clone();
    assert_eq!(code(class.say(&learner, "early").await), "lesson.not_live");
    classroom::start(&class.context, &class.teacher, class.lesson)
        .await
        .unwrap();
    assert_eq!(
        code(class.say(&learner, "from home").await),
        "chat.not_here"
    );
    assert!(class.say(&class.officer, "staff are").await.is_ok());
}

#[tokio::test]
async fn messages_are_gone_when_their_time_is_over_and_the_ledger_says_how_many() {
    let mut class = Class::live().await;
    let learner = class.learners[0].clone();
    class.say(&learner, "one").await.unwrap();
    class.say(&learner, "two").await.unwrap();
    classroom::end(&class.context, &class.teacher, class.lesson)
        .await
        .unwrap();
    class.attentive.clear();
    let hour_left = TimeDelta::days(180) - TimeDelta::minutes(1);
    class.world.clock.advance(hour_left);
    classroom::run_due(&class.context).await.unwrap();
    assert_eq!(class.reads(&class.teacher).await.len(), 2);
    class
        .world
        .clock
        .advance(TimeDelta::hours(1) + TimeDelta::minutes(2));
    classroom::run_due(&class.context).await.unwrap();
    assert_eq!(class.reads(&class.teacher).await.len(), 0);
    let mut hand = class.world.hand().await;
    let facts: Vec<String> =
        sqlx::query_scalar("select body from ledger_fact where kind = 'chat_deleted'")
            .fetch_all(&mut hand)
            .await
            .unwrap();
    assert_eq!(facts.len(), 1);
    assert!(facts[0].contains(r#""messages":2"#), "{facts:?}");
}

#[tokio::test]
async fn a_learner_publishes_no_data_so_nothing_goes_round_the_chat() {
    let class = Class::live().await;
    let room = classroom::room_name(class.lesson);
    for (account, may) in [
        (class.learners[0].account, false),
        (class.teacher.account, true),
        (class.officer.account, true),
    ] {
        let seat = classroom::seat_of(&class.context, &room, &account.to_string()).await;
        let permissions = seat.unwrap().unwrap().permissions;
        assert_eq!(permissions.publish_data, may);
        assert!(
            permissions.update_own_metadata,
            "hands are raised by attributes"
        );
    }
}
