//! The ledger finds what a hand in the database did, and says where.

use mingtang::domain::fact::Difference;
use mingtang::domain::fact::checkpoint::{Anchor, Gap};
use mingtang::domain::id::StreamId;
use mingtang::service::ledger;
use mingtang::shell::anchor::{AnchorFile, Error};
use serde_json::json;
use sqlx::Executor;
use uuid::Uuid;

use crate::support::World;

async fn stream_of(world: &World, facts: usize) -> StreamId {
    stream_about(world, 1, facts).await
}

async fn stream_about(world: &World, subject: u128, facts: usize) -> StreamId {
    let subject = Uuid::from_u128(subject);
    let mut transaction = world.context.store.begin().await.unwrap();
    let stream = ledger::open(&world.context, &mut transaction, "test", subject)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    append(world, stream, facts).await;
    stream
}

async fn append(world: &World, stream: StreamId, facts: usize) {
    let mut transaction = world.context.store.begin().await.unwrap();
    let facts: Vec<_> = (0..facts)
        .map(|n| json!({"kind": "counted", "n": n}))
        .collect();
    ledger::append(&world.context, &mut transaction, stream, &facts)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
}

async fn sign(world: &World) -> Anchor {
    ledger::checkpoint(&world.context).await.unwrap()
}

async fn by_hand(world: &World, statement: &'static str) {
    let mut hand = world.hand().await;
    hand.execute("set session_replication_role = replica")
        .await
        .unwrap();
    hand.execute(statement).await.unwrap();
}

/// Takes a stream out as if it had never been.
async fn remove_stream(world: &World, subject: u128) {
    let mut hand = world.hand().await;
    hand.execute("set session_replication_role = replica")
        .await
        .unwrap();
    for statement in [
        "delete from ledger_fact using ledger_stream s where s.id = stream_id and s.subject = $1",
        "delete from ledger_stream where subject = $1",
    ] {
        let done = sqlx::query(statement)
            .bind(Uuid::from_u128(subject))
            .execute(&mut hand)
            .await
            .unwrap();
        assert!(done.rows_affected() > 0);
    }
}

/// What the chain of checkpoints misses, when no stream by itself shows anything.
async fn gaps(world: &World, anchor: Option<Anchor>) -> Vec<(u64, Gap)> {
    let report = ledger::verify(&world.context, anchor).await.unwrap();
    assert!(report.findings.is_empty(), "{report:?}");
    assert_eq!(report.is_sound(), report.gaps.is_empty());
    report.gaps.iter().map(|g| (g.number, g.gap)).collect()
}

async fn finding(world: &World) -> Option<(u64, Difference)> {
    let report = ledger::verify(&world.context, None).await.unwrap();
    assert!(report.findings.len() <= 1, "{report:?}");
    report
        .findings
        .first()
        .map(|finding| (finding.seq, finding.difference))
}

#[tokio::test]
async fn an_untouched_ledger_verifies_over_many_pages_and_checkpoints() {
    let world = World::new().await;
    let stream = stream_of(&world, 1_100).await;
    for number in 1..=3 {
        append(&world, stream, 100).await;
        assert_eq!(sign(&world).await.number, number);
    }
    let newest = sign(&world).await;
    assert_eq!(newest.number, 3, "nothing has grown");
    append(&world, stream, 7).await;
    let report = ledger::verify(&world.context, Some(newest)).await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(
        (report.streams, report.facts, report.checkpoints),
        (1, 1_407, 3)
    );
    assert_eq!(report.unsigned, 7);
}

#[tokio::test]
async fn a_body_edited_by_hand_is_found_where_it_is() {
    let world = World::new().await;
    stream_of(&world, 10).await;
    by_hand(
        &world,
        r#"update ledger_fact set body = '{"kind":"counted","n":99}' where seq = 4"#,
    )
    .await;
    assert_eq!(finding(&world).await, Some((4, Difference::ContentEdited)));
}

#[tokio::test]
async fn an_edited_time_is_found_where_it_is() {
    let world = World::new().await;
    stream_of(&world, 3).await;
    by_hand(
        &world,
        "update ledger_fact set at = at + interval '1 minute' where seq = 1",
    )
    .await;
    assert_eq!(finding(&world).await, Some((1, Difference::ContentEdited)));
}

#[tokio::test]
async fn a_missing_row_is_found_in_the_middle_and_at_the_end() {
    let world = World::new().await;
    stream_of(&world, 10).await;
    by_hand(&world, "delete from ledger_fact where seq = 9").await;
    assert_eq!(finding(&world).await, Some((9, Difference::RowMissing)));
    by_hand(&world, "delete from ledger_fact where seq = 5").await;
    assert_eq!(finding(&world).await, Some((5, Difference::RowMissing)));
}

#[tokio::test]
async fn a_tail_cut_off_with_its_head_is_missed_by_the_checkpoint() {
    let world = World::new().await;
    let stream = stream_of(&world, 3).await;
    sign(&world).await;
    by_hand(&world, "delete from ledger_fact where seq = 2").await;
    by_hand(
        &world,
        "update ledger_stream set next_seq = 2, \
         head_hash = (select hash from ledger_fact where seq = 1)",
    )
    .await;
    let missing = Gap::FactMissing { stream, seq: 2 };
    assert_eq!(gaps(&world, None).await, [(1, missing)]);
}

#[tokio::test]
async fn a_tail_written_anew_with_all_its_hashes_differs_from_the_checkpoint() {
    let world = World::new().await;
    let stream = stream_of(&world, 3).await;
    sign(&world).await;
    by_hand(&world, "delete from ledger_fact where seq = 2").await;
    by_hand(
        &world,
        "update ledger_stream set next_seq = 2, \
         head_hash = (select hash from ledger_fact where seq = 1)",
    )
    .await;
    append(&world, stream, 5).await;
    let rewritten = Gap::FactRewritten { stream, seq: 2 };
    assert_eq!(gaps(&world, None).await, [(1, rewritten)]);
}

#[tokio::test]
async fn a_stream_taken_out_as_a_whole_is_missed_by_name() {
    let world = World::new().await;
    stream_about(&world, 1, 3).await;
    let stream = stream_about(&world, 2, 4).await;
    sign(&world).await;
    append(&world, stream, 1).await;
    sign(&world).await;
    remove_stream(&world, 2).await;
    let missing = Gap::StreamMissing { stream, facts: 4 };
    assert_eq!(gaps(&world, None).await, [(1, missing)]);
}

#[tokio::test]
async fn a_stream_taken_out_with_its_checkpoints_leaves_a_gap_in_their_numbers() {
    let world = World::new().await;
    for subject in 1..=4 {
        stream_about(&world, subject, 3).await;
        sign(&world).await;
    }
    remove_stream(&world, 2).await;
    remove_stream(&world, 3).await;
    by_hand(
        &world,
        "delete from ledger_checkpoint where number in (2, 3)",
    )
    .await;
    let missing = Gap::CheckpointsMissing { until: 4 };
    assert_eq!(gaps(&world, None).await, [(2, missing)]);
}

#[tokio::test]
async fn an_end_cut_off_with_its_checkpoints_is_missed_by_the_anchor_outside_of_the_database() {
    let world = World::new().await;
    let mut anchor = Anchor::default();
    for subject in 1..=3 {
        stream_about(&world, subject, 3).await;
        anchor = sign(&world).await;
    }
    assert!(gaps(&world, Some(anchor)).await.is_empty());
    remove_stream(&world, 3).await;
    by_hand(&world, "delete from ledger_checkpoint where number = 3").await;
    let alone = gaps(&world, None).await;
    assert!(
        alone.is_empty(),
        "the database alone tells nothing: {alone:?}"
    );
    let missing = Gap::EndMissing { anchor: 3 };
    assert_eq!(gaps(&world, Some(anchor)).await, [(2, missing)]);
    // What is signed afterwards takes the number, and is another.
    stream_about(&world, 4, 1).await;
    assert_eq!(sign(&world).await.number, 3);
    assert_eq!(gaps(&world, Some(anchor)).await, [(3, Gap::NotTheAnchored)]);
}

#[tokio::test]
async fn the_anchor_goes_along_and_is_never_set_to_a_ledger_that_has_lost_it() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("keys")).unwrap();
    let file = AnchorFile::of(folder.path());
    assert_eq!(file.read().unwrap(), None);
    let stream = stream_of(&world, 3).await;
    file.sign(&world.context).await.unwrap();
    append(&world, stream, 3).await;
    file.sign(&world.context).await.unwrap();
    let anchored = file.read().unwrap();
    assert_eq!(anchored, Some(sign(&world).await));

    by_hand(&world, "delete from ledger_checkpoint where number = 2").await;
    for _ in 0..3 {
        append(&world, stream, 1).await;
        let refused = file.sign(&world.context).await;
        assert!(matches!(refused, Err(Error::OtherLedger { number: 2, .. })));
        assert_eq!(file.read().unwrap(), anchored);
    }
}

#[tokio::test]
async fn a_row_whose_link_was_replaced_breaks_the_chain() {
    let world = World::new().await;
    stream_of(&world, 3).await;
    by_hand(
        &world,
        "update ledger_stream set subject = gen_random_uuid()",
    )
    .await;
    assert_eq!(finding(&world).await, Some((0, Difference::ChainBroken)));
}

#[tokio::test]
async fn a_checkpoint_edited_or_signed_by_another_key_is_found() {
    let world = World::new().await;
    stream_of(&world, 3).await;
    sign(&world).await;
    by_hand(
        &world,
        "update ledger_checkpoint set signature = sha512('x')",
    )
    .await;
    assert_eq!(gaps(&world, None).await, [(1, Gap::Forged)]);
    by_hand(
        &world,
        "update ledger_checkpoint set at = at + interval '1 day'",
    )
    .await;
    assert_eq!(
        gaps(&world, None).await,
        [(1, Gap::CheckpointEdited), (1, Gap::Forged)]
    );
}

#[tokio::test]
async fn the_ledger_refuses_edits_that_do_not_switch_its_guard_off() {
    let world = World::new().await;
    stream_of(&world, 1).await;
    sign(&world).await;
    let mut hand = world.hand().await;
    for statement in [
        "update ledger_fact set body = ''",
        "delete from ledger_fact",
        "truncate ledger_fact",
        "delete from ledger_stream",
        "delete from ledger_checkpoint",
        "truncate ledger_checkpoint",
    ] {
        let refused = hand.execute(statement).await;
        assert!(
            refused.unwrap_err().to_string().contains("append-only"),
            "{statement}"
        );
    }
    assert_eq!(finding(&world).await, None);
}

#[tokio::test]
async fn appends_from_many_tasks_make_one_chain() {
    let world = World::new().await;
    let stream = stream_of(&world, 0).await;
    let tasks: Vec<_> = (0..20).map(|_| append(&world, stream, 5)).collect();
    futures_util::future::join_all(tasks).await;
    let report = ledger::verify(&world.context, None).await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.facts, 100);
}

#[tokio::test]
async fn facts_of_a_transaction_that_rolls_back_were_never_there() {
    let world = World::new().await;
    let stream = stream_of(&world, 2).await;
    let mut transaction = world.context.store.begin().await.unwrap();
    let facts = [json!({"kind": "counted", "n": 3})];
    ledger::append(&world.context, &mut transaction, stream, &facts)
        .await
        .unwrap();
    drop(transaction);
    append(&world, stream, 1).await;
    let report = ledger::verify(&world.context, None).await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.facts, 3);
}
