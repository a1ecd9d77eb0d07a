//! Announcements go out after the commit, in order, once each, and can be resumed from.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use mingtang::domain::announcement::{Announcement, Audience, Topic};
use mingtang::domain::id::AccountId;
use mingtang::service::outbox;
use mingtang::store;
use uuid::Uuid;

use crate::support::World;
use crate::waiting::coming;

fn to_account(n: u128, payload: &str) -> Announcement {
    Announcement {
        audience: Audience::Account(AccountId(Uuid::from_u128(n))),
        kind: "test",
        payload: payload.to_owned(),
    }
}

#[tokio::test]
async fn nothing_is_announced_before_the_commit_and_everything_after_it_in_order() {
    let world = World::new().await;
    let context = &world.context;
    let account = AccountId(Uuid::from_u128(1));
    let mut stream = context.events.subscribe(account, BTreeSet::new()).unwrap();
    let mut first = context.store.begin().await.unwrap();
    let mut second = context.store.begin().await.unwrap();
    outbox::announce(context, &mut first, &[to_account(1, "late")])
        .await
        .unwrap();
    outbox::announce(
        context,
        &mut second,
        &[to_account(1, "a"), to_account(1, "b")],
    )
    .await
    .unwrap();
    second.commit().await.unwrap();
    assert_eq!(outbox::dispatch(context).await.unwrap(), 2);
    first.commit().await.unwrap();
    assert_eq!(outbox::dispatch(context).await.unwrap(), 1);
    assert_eq!(outbox::dispatch(context).await.unwrap(), 0);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let announced = coming("an announcement", stream.next()).await.unwrap();
        seen.push((announced.position, announced.payload.clone()));
    }
    assert_eq!(seen, [(1, "a".into()), (2, "b".into()), (3, "late".into())]);
}

#[tokio::test]
async fn an_announcement_that_committed_before_a_crash_is_made_by_the_next_server() {
    let world = World::new().await;
    let mut transaction = world.context.store.begin().await.unwrap();
    outbox::announce(&world.context, &mut transaction, &[to_account(1, "a")])
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    let next = world.restarted().await;
    let mut stream = next
        .events
        .subscribe(AccountId(Uuid::from_u128(1)), BTreeSet::new())
        .unwrap();
    assert_eq!(outbox::dispatch(&next).await.unwrap(), 1);
    assert_eq!(
        coming("an announcement", stream.next())
            .await
            .unwrap()
            .payload,
        "a"
    );
}

#[tokio::test]
async fn a_stream_resumes_with_what_its_audience_missed_and_pruning_moves_the_window() {
    let world = World::new().await;
    let context = &world.context;
    let topic = Topic::stored("lesson:1".to_owned());
    let to_topic = Announcement {
        audience: Audience::Topic(topic.clone()),
        kind: "test",
        payload: "c".to_owned(),
    };
    let mut transaction = context.store.begin().await.unwrap();
    let all = [to_account(1, "a"), to_account(2, "b"), to_topic];
    outbox::announce(context, &mut transaction, &all)
        .await
        .unwrap();
    outbox::commit(context, transaction).await.unwrap();
    outbox::dispatch(context).await.unwrap();

    let mut db = context.store.reader().await.unwrap();
    let account = AccountId(Uuid::from_u128(1));
    let missed = store::outbox::after(&mut db, 0, account, &[topic], 10)
        .await
        .unwrap();
    let missed: Vec<_> = missed
        .into_iter()
        .map(|a| (a.position, a.payload))
        .collect();
    assert_eq!(missed, [(1, "a".to_owned()), (3, "c".to_owned())]);

    assert_eq!(outbox::prune(context).await.unwrap(), 0);
    world.clock.advance(TimeDelta::hours(25));
    assert_eq!(outbox::prune(context).await.unwrap(), 3);
    let window = store::outbox::window(&mut db).await.unwrap();
    assert_eq!(
        window,
        store::outbox::Window {
            pruned_through: 3,
            last: 3
        }
    );
}
