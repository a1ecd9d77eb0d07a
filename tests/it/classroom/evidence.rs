//! What stays: the ledger, the revealed draws, and credit after a crash.

use mingtang::domain::classroom::check::Outcome;
use mingtang::media::signal::LeaveReason;
use mingtang::service::{classroom, ledger};
use sqlx::Executor;

use super::class::Class;

#[tokio::test]
async fn a_whole_class_closes_and_every_check_time_is_recomputed_from_the_revealed_seeds() {
    let mut class = Class::live().await;
    class.attentive.pop();
    class.pass(1_200).await;
    classroom::end(&class.context, &class.teacher, class.lesson)
        .await
        .unwrap();
    class.pass(80).await;
    assert!(
        ledger::verify(&class.context, None)
            .await
            .unwrap()
            .is_sound()
    );
    let (count, disproved) = classroom::verify_draws(&class.context).await.unwrap();
    assert_eq!((count, disproved), (3, Vec::new()));
    let (mine, total, credited_s) = classroom::mine(&class.context, &class.learners[0], 10, 0)
        .await
        .unwrap();
    assert_eq!((mine.len(), total), (1, 1));
    assert!((1_180..=1_200).contains(&credited_s), "{credited_s}");
    assert!(mine[0].seed.is_some() && mine[0].state == "closed");
    let (idle, _, credited_s) = classroom::mine(&class.context, &class.learners[2], 10, 0)
        .await
        .unwrap();
    assert_eq!((idle[0].state, credited_s), ("needs_review", 0));
}

#[tokio::test]
async fn a_row_of_a_lesson_edited_by_hand_is_found() {
    let mut class = Class::live().await;
    class.pass(130).await;
    assert!(
        ledger::verify(&class.context, None)
            .await
            .unwrap()
            .is_sound()
    );
    let mut hand = class.world.hand().await;
    hand.execute("alter table ledger_fact disable trigger all")
        .await
        .unwrap();
    let edited = hand
        .execute(
            "update ledger_fact set body = replace(body, '\"right\":true', '\"right\":false'), \
             kind = kind where stream_id = (select id from ledger_stream where kind = 'lesson') \
             and seq = (select max(seq) from ledger_fact f join ledger_stream s \
                 on s.id = f.stream_id where s.kind = 'lesson')",
        )
        .await
        .unwrap();
    assert_eq!(edited.rows_affected(), 1);
    hand.execute(
        "update ledger_fact set body = body || ' ' where stream_id = \
         (select id from ledger_stream where kind = 'lesson') and seq = 4",
    )
    .await
    .unwrap();
    let report = ledger::verify(&class.context, None).await.unwrap();
    assert_eq!(report.findings.len(), 1);
    let finding = &report.findings[0];
    assert_eq!((finding.kind.as_str(), finding.seq), ("lesson", 4));
    assert_eq!(finding.subject, class.lesson.0);
}

#[tokio::test]
async fn a_killed_server_costs_at_most_fifteen_seconds_and_interrupts_open_checks() {
    let mut class = Class::live().await;
    let learner = class.demo.learners[0];
    let prompt = class.until_prompt(learner).await;
    class.answer(learner, &prompt, true).await.unwrap();
    class.until_prompt(learner).await;
    let before = class.context.now();
    // The process dies here; the next one finds what was stored.
    class.world.clock.advance(chrono::TimeDelta::seconds(30));
    class.context = class.world.restarted().await;
    assert_eq!(classroom::recover(&class.context).await.unwrap(), 3);
    assert_eq!(
        class.row(learner).await.last_outcome,
        Some(Outcome::Interrupted)
    );
    let state = classroom::get(&class.context, &class.teacher, class.lesson)
        .await
        .unwrap()
        .state;
    assert_eq!(state, "break");
    class.here.clear();
    class.connect(class.demo.teacher).await;
    for account in class.demo.learners.clone() {
        class.connect(account).await;
    }
    class.attentive = class.demo.learners.clone();
    class.pass(600).await;
    let id = class.attendances[&learner];
    let view = classroom::attendance(&class.context, &class.learners[0], id)
        .await
        .unwrap();
    let until_crash: i64 = view
        .stretches
        .iter()
        .filter(|s| s.verdict == mingtang::domain::classroom::credit::Verdict::Credited)
        .map(|s| (s.to.min(before) - s.from.min(before)).num_seconds())
        .sum();
    let lived = (before - view.stretches[0].from).num_seconds();
    assert!(lived - until_crash <= 15, "lost {} s", lived - until_crash);
    assert!(
        ledger::verify(&class.context, None)
            .await
            .unwrap()
            .is_sound()
    );
}

#[tokio::test]
async fn a_lost_connection_interrupts_a_check_and_nothing_is_held_against_the_learner() {
    let mut class = Class::live().await;
    let learner = class.demo.learners[0];
    class.until_prompt(learner).await;
    class.disconnect(learner, LeaveReason::ConnectionLost).await;
    class.pass(70).await;
    assert_eq!(class.row(learner).await.presence, "interrupted");
    class.connect(learner).await;
    class.attentive.push(learner);
    class.pass(600).await;
    let row = class.row(learner).await;
    assert!(
        row.credited_seconds > 300 && row.withheld_seconds == 0,
        "{row:?}"
    );
}
