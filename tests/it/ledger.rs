//! The ledger finds what a hand in the database did, and says where.

use mingtang::domain::fact::Difference;
use mingtang::domain::id::StreamId;
use mingtang::service::ledger;
use serde_json::json;
use sqlx::Executor;
use uuid::Uuid;

use crate::support::World;

async fn stream_of(world: &World, facts: usize) -> StreamId {
    let subject = Uuid::from_u128(1);
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

async fn by_hand(world: &World, statement: &'static str) {
    let mut hand = world.hand().await;
    hand.execute("set session_replication_role = replica")
        .await
        .unwrap();
    hand.execute(statement).await.unwrap();
}

async fn finding(world: &World) -> Option<(u64, Difference)> {
    let report = ledger::verify(&world.context).await.unwrap();
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
    for _ in 0..3 {
        append(&world, stream, 100).await;
    }
    assert_eq!(ledger::checkpoint_all(&world.context).await.unwrap(), 1);
    assert_eq!(ledger::checkpoint_all(&world.context).await.unwrap(), 0);
    let report = ledger::verify(&world.context).await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(
        (report.streams, report.facts, report.checkpoints),
        (1, 1_400, 3)
    );
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
async fn a_tail_cut_off_with_its_head_is_found_by_the_checkpoint() {
    let world = World::new().await;
    stream_of(&world, 3).await;
    ledger::checkpoint_all(&world.context).await.unwrap();
    by_hand(&world, "delete from ledger_fact where seq = 2").await;
    by_hand(
        &world,
        "update ledger_stream set next_seq = 2, \
         head_hash = (select hash from ledger_fact where seq = 1)",
    )
    .await;
    assert_eq!(finding(&world).await, Some((2, Difference::RowMissing)));
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
async fn a_checkpoint_that_our_key_did_not_sign_is_found() {
    let world = World::new().await;
    stream_of(&world, 256).await;
    assert_eq!(finding(&world).await, None);
    by_hand(
        &world,
        "update ledger_checkpoint set signature = sha512('x')",
    )
    .await;
    assert_eq!(
        finding(&world).await,
        Some((255, Difference::CheckpointForged))
    );
}

#[tokio::test]
async fn the_ledger_refuses_edits_that_do_not_switch_its_guard_off() {
    let world = World::new().await;
    stream_of(&world, 1).await;
    let mut hand = world.hand().await;
    for statement in [
        "update ledger_fact set body = ''",
        "delete from ledger_fact",
        "truncate ledger_fact",
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
    let report = ledger::verify(&world.context).await.unwrap();
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
    let report = ledger::verify(&world.context).await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.facts, 3);
}
