//! Questions to a whole class, counted live, and polls.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use mingtang::domain::announcement::Topic;
use mingtang::domain::classroom::round::Poll;
use mingtang::domain::id::{AccountId, RoundId};
use mingtang::hub::events::Subscription;
use mingtang::service::classroom::{self, StaffRound};
use mingtang::service::{Error, outbox};

use super::class::{Class, actor};
use super::rules::code;
use crate::waiting::coming;

impl Class {
    async fn push(&self, text: &str) -> RoundId {
        let bank = classroom::list_questions(&self.context, &self.teacher, None);
        let bank = bank.await.unwrap();
        let item = bank.iter().find(|item| item.text == text).unwrap();
        let pushed = classroom::question_now(&self.context, &self.teacher, self.lesson, item.id);
        pushed.await.unwrap().round
    }

    async fn poll(&self, multiple: bool) -> RoundId {
        let poll = Poll {
            text: "听懂了吗？".into(),
            options: ["懂了", "一半", "没懂"].map(String::from).to_vec(),
            multiple,
        };
        let opened = classroom::poll_now(&self.context, &self.teacher, self.lesson, poll, 60);
        opened.await.unwrap().round.id
    }

    async fn counted(&self, id: RoundId) -> StaffRound {
        let rounds = classroom::rounds(&self.context, &self.teacher, self.lesson);
        let mut rounds = rounds.await.unwrap().into_iter();
        rounds.find(|round| round.round.id == id).unwrap()
    }

    async fn vote(&self, account: AccountId, id: RoundId, places: &[u8]) -> Result<(), Error> {
        let voter = actor(&self.context, account).await;
        classroom::vote(&self.context, &voter, id, places).await
    }

    fn hears(&self, account: AccountId, topic: Topic) -> Subscription {
        let events = &self.context.events;
        events.subscribe(account, BTreeSet::from([topic])).unwrap()
    }
}

/// The next announcement of this kind; whatever else comes first must not hold `secret`.
async fn told(stream: &mut Subscription, kind: &str, secret: &str) -> String {
    loop {
        let announced = coming(kind, stream.next()).await.unwrap();
        if announced.kind == kind {
            return announced.payload.clone();
        }
        assert!(!announced.payload.contains(secret), "{}", announced.payload);
    }
}

#[tokio::test]
async fn a_push_is_counted_live_as_right_wrong_and_absent() {
    let mut class = Class::live().await;
    class.pass(10).await;
    class.attentive.clear();
    let [quick, wrong, idle] = class.demo.learners[..] else {
        panic!("three learners");
    };
    let id = class.push("One?").await;
    let tally = class.counted(id).await.tally;
    assert_eq!((tally.asked, tally.waiting), (3, 3));
    outbox::dispatch(&class.context).await.unwrap();
    let mut staff = class.hears(class.teacher.account, Topic::lesson_staff(class.lesson));
    class.answer_right(quick).await.unwrap();
    let prompt = class.prompt(wrong).await.unwrap();
    assert_eq!(prompt.round_id, Some(id));
    class.answer(wrong, &prompt, false).await.unwrap();
    classroom::run_due(&class.context).await.unwrap();
    outbox::dispatch(&class.context).await.unwrap();
    let live = told(&mut staff, "round_changed", "no secret from staff").await;
    assert!(
        live.contains(r#""waiting":1,"right":1,"wrong":1"#),
        "{live}"
    );
    class.world.clock.advance(TimeDelta::seconds(70));
    let presence = class.presence();
    presence.await;
    classroom::run_due(&class.context).await.unwrap();
    classroom::run_due(&class.context).await.unwrap();
    let over = class.counted(id).await;
    assert!(over.round.closed_at.is_some());
    let tally = over.tally;
    assert_eq!(
        (tally.right, tally.wrong, tally.absent, tally.waiting),
        (1, 1, 1, 0)
    );
    let correct = over
        .round
        .options
        .iter()
        .position(|o| o.correct == Some(true));
    assert_eq!(tally.options[correct.unwrap()], 1);
    assert_eq!(tally.options.iter().sum::<u32>(), 2);
    let missed = class.row(idle).await.last_outcome;
    assert!(
        missed.is_some(),
        "who does not answer is absent by the rules too"
    );
}

#[tokio::test]
async fn the_solution_is_shown_to_learners_after_the_last_window_and_never_before() {
    let mut class = Class::live().await;
    class.pass(10).await;
    class.attentive.clear();
    let [first, second, third] = class.demo.learners[..] else {
        panic!("three learners");
    };
    outbox::dispatch(&class.context).await.unwrap();
    let mut stream = class.hears(first, Topic::lesson(class.lesson));
    let id = class.push("Two?").await;
    let learner = actor(&class.context, first).await;
    let shown = || classroom::shown_rounds(&class.context, &learner, class.lesson);
    class.answer_right(first).await.unwrap();
    let prompt = class.prompt(second).await.unwrap();
    class.answer(second, &prompt, false).await.unwrap();
    classroom::run_due(&class.context).await.unwrap();
    assert!(shown().await.unwrap().is_empty(), "one window is open");
    class.answer_right(third).await.unwrap();
    classroom::run_due(&class.context).await.unwrap();
    outbox::dispatch(&class.context).await.unwrap();
    let revealed = told(&mut stream, "round_shown", "correct").await;
    assert!(revealed.contains(r#""correct":true"#), "{revealed}");
    assert!(revealed.contains(r#""right":2,"wrong":1"#), "{revealed}");
    let mine = shown().await.unwrap();
    assert_eq!(
        (mine.len(), mine[0].round.id, mine[0].right),
        (1, id, Some(true))
    );
    let chosen = usize::from(mine[0].chosen.as_ref().unwrap()[0]);
    assert_eq!(mine[0].round.options[chosen].correct, Some(true));
    let other = actor(&class.context, second).await;
    let theirs = classroom::shown_rounds(&class.context, &other, class.lesson);
    assert_eq!(theirs.await.unwrap()[0].right, Some(false));
    let counts = classroom::rounds(&class.context, &learner, class.lesson).await;
    assert_eq!(code(counts), "auth.forbidden");
}

#[tokio::test]
async fn a_question_that_reaches_nobody_is_over_at_once() {
    let class = Class::planned().await;
    classroom::start(&class.context, &class.teacher, class.lesson)
        .await
        .unwrap();
    let id = class.push("Three?").await;
    let over = class.counted(id).await;
    assert!(over.round.closed_at.is_some());
    assert_eq!(over.tally.asked, 0);
}

#[tokio::test]
async fn everybody_votes_once_and_nothing_joins_a_vote_to_its_voter() {
    let class = Class::live().await;
    let [first, second, third] = class.demo.learners[..] else {
        panic!("three learners");
    };
    let id = class.poll(false).await;
    class.vote(first, id, &[0]).await.unwrap();
    class.vote(second, id, &[2]).await.unwrap();
    assert_eq!(code(class.vote(first, id, &[1]).await), "poll.voted");
    assert_eq!(code(class.vote(third, id, &[0, 1]).await), "poll.vote");
    assert_eq!(
        code(class.vote(class.officer.account, id, &[0]).await),
        "round.not_found"
    );
    let tally = class.counted(id).await.tally;
    assert_eq!((tally.asked, &tally.options[..]), (2, &[1, 0, 1][..]));
    let learner = actor(&class.context, first).await;
    let shown = classroom::shown_rounds(&class.context, &learner, class.lesson);
    let shown = shown.await.unwrap();
    assert!(
        shown[0].voted && shown[0].tally.is_none(),
        "no count before the end"
    );
    let mut hand = class.world.hand().await;
    let columns: Vec<String> = sqlx::query_scalar(
        "select column_name::text from information_schema.columns \
         where table_name in ('poll_voter', 'poll_count') order by 1",
    )
    .fetch_all(&mut hand)
    .await
    .unwrap();
    assert_eq!(
        columns,
        ["account_id", "place", "round_id", "round_id", "votes"]
    );
    let in_ledger: i64 = sqlx::query_scalar(
        "select count(*) from ledger_fact where kind like '%vote%' or body like '%voter%'",
    )
    .fetch_one(&mut hand)
    .await
    .unwrap();
    assert_eq!(in_ledger, 0);
}

#[tokio::test]
async fn a_poll_ends_at_its_time_or_by_hand_and_then_all_see_the_counts() {
    let mut class = Class::live().await;
    let first = class.demo.learners[0];
    outbox::dispatch(&class.context).await.unwrap();
    let mut stream = class.hears(first, Topic::lesson(class.lesson));
    let by_hand = class.poll(true).await;
    outbox::dispatch(&class.context).await.unwrap();
    let opened = told(&mut stream, "round_shown", "votes").await;
    assert!(
        opened.contains("听懂了吗") && !opened.contains("tally"),
        "{opened}"
    );
    class.vote(first, by_hand, &[0, 1]).await.unwrap();
    let closed = classroom::close_poll(&class.context, &class.teacher, by_hand).await;
    assert_eq!(closed.unwrap().tally.options, [1, 1, 0]);
    outbox::dispatch(&class.context).await.unwrap();
    let seen = told(&mut stream, "round_shown", "votes").await;
    assert!(seen.contains(r#""options":[1,1,0]"#), "{seen}");
    let late = class.vote(class.demo.learners[1], by_hand, &[0]).await;
    assert_eq!(code(late), "poll.closed");
    let by_time = class.poll(false).await;
    class.pass(60).await;
    assert!(class.counted(by_time).await.round.closed_at.is_some());
    assert_eq!(code(class.vote(first, by_time, &[0]).await), "poll.closed");
    let theirs = classroom::close_poll(&class.context, &class.learners[0], by_time).await;
    assert_eq!(code(theirs), "round.not_found");
    let question = class.push("One?").await;
    let refused = classroom::close_poll(&class.context, &class.teacher, question).await;
    assert_eq!(code(refused), "round.question");
}
