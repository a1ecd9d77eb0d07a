//! Questions in class: how they are asked, answered and graded.

use mingtang::domain::classroom::check::{Answer, Outcome};
use mingtang::domain::classroom::quiz::QuestionKind;
use mingtang::domain::id::{AccountId, QuestionId};
use mingtang::service::classroom::{self, Answered, NewQuestion};
use mingtang::service::{Error, outbox};

use super::class::{Class, actor};
use super::rules::code;
use crate::waiting::coming;

/// Adds an item that is answered by writing, and puts it to everybody.
async fn push_written(class: &Class, kind: QuestionKind, accepted: &[&str]) -> QuestionId {
    let new = NewQuestion {
        unit: class.demo.county.id,
        text: "圆周率是多少？".into(),
        kind,
        options: Vec::new(),
        accepted: accepted.iter().map(ToString::to_string).collect(),
    };
    let item = classroom::add_question(&class.context, &class.teacher, new).await;
    let item = item.unwrap();
    classroom::question_now(&class.context, &class.teacher, class.lesson, item.id)
        .await
        .unwrap();
    item.id
}

async fn write(class: &Class, account: AccountId, text: &str) -> Result<Answered, Error> {
    let learner = actor(&class.context, account).await;
    let prompt = class.prompt(account).await.unwrap();
    let answer = Answer::Text(text.into());
    let (check, nonce) = (prompt.check_id, &prompt.nonce);
    classroom::answer(&class.context, &learner, check, nonce, &answer).await
}

#[tokio::test]
async fn a_number_is_graded_here_and_a_slip_of_the_pen_costs_no_try() {
    let mut class = Class::live().await;
    class.pass(10).await;
    outbox::dispatch(&class.context).await.unwrap();
    let [first, second, third] = class.demo.learners[..] else {
        panic!("three learners");
    };
    let topics = std::collections::BTreeSet::new();
    let mut stream = class.context.events.subscribe(first, topics).unwrap();
    push_written(&class, QuestionKind::Numeric, &["3.14:0.01"]).await;
    outbox::dispatch(&class.context).await.unwrap();
    let announced = coming("an announcement", stream.next()).await.unwrap();
    assert_eq!(announced.kind, "prompt_opened");
    let payload = &announced.payload;
    assert!(
        payload.contains("numeric") && !payload.contains("3.1"),
        "{payload}"
    );
    for slip in ["三点一四", "3.14 米", "", "3,14"] {
        assert_eq!(
            code(write(&class, first, slip).await),
            "answer.number",
            "{slip}"
        );
    }
    let prompt = class.prompt(first).await.unwrap();
    assert_eq!(prompt.attempts_left, 1, "no try was used");
    let keys = Answer::Keys(vec!["a".into()]);
    let (check, nonce) = (prompt.check_id, &prompt.nonce);
    let chosen = classroom::answer(&class.context, &class.learners[0], check, nonce, &keys);
    assert_eq!(code(chosen.await), "answer.keys");
    let right = write(&class, first, "３．１５").await.unwrap();
    assert_eq!(right.outcome, Outcome::Passed);
    let wrong = write(&class, second, "3.2").await.unwrap();
    assert_eq!(wrong.outcome, Outcome::PassedWrong, "present, and wrong");
    class.attentive.clear();
    class.pass(70).await;
    let missed = class.row(third).await.last_outcome;
    assert_eq!(missed, Some(Outcome::Missed), "absent");
}

#[tokio::test]
async fn words_are_right_in_whatever_width_case_and_punctuation() {
    let mut class = Class::live().await;
    class.pass(10).await;
    let [first, second, _] = class.demo.learners[..] else {
        panic!("three learners");
    };
    push_written(
        &class,
        QuestionKind::ShortText,
        &["《民法典》", "Civil Code"],
    )
    .await;
    let right = write(&class, first, " ｃｉｖｉｌ　ＣＯＤＥ。")
        .await
        .unwrap();
    assert_eq!(right.outcome, Outcome::Passed);
    let wrong = write(&class, second, "刑法").await.unwrap();
    assert_eq!(wrong.outcome, Outcome::PassedWrong);
}

#[tokio::test]
async fn an_item_keeps_its_accepted_answers_in_the_bank_and_none_is_half_made() {
    let class = Class::planned().await;
    let new = |kind, accepted: &[&str]| NewQuestion {
        unit: class.demo.county.id,
        text: "？".into(),
        kind,
        options: Vec::new(),
        accepted: accepted.iter().map(ToString::to_string).collect(),
    };
    let add = |new| classroom::add_question(&class.context, &class.teacher, new);
    let kept = add(new(QuestionKind::Numeric, &["３．１４±０．０１", "1~5"]))
        .await
        .unwrap();
    let bank = classroom::list_questions(&class.context, &class.teacher, Some("？"));
    let bank = bank.await.unwrap();
    let found = bank.iter().find(|item| item.id == kept.id).unwrap();
    assert_eq!(found.accepted, ["3.13..3.15", "1..5"]);
    for (kind, accepted) in [
        (QuestionKind::Numeric, &["many"][..]),
        (QuestionKind::Numeric, &[]),
        (QuestionKind::ShortText, &["。"]),
    ] {
        assert_eq!(code(add(new(kind, accepted)).await), "question.answers");
    }
    let choice = add(new(QuestionKind::Single, &["a"])).await;
    assert_eq!(code(choice), "question.answers");
}
