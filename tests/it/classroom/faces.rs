//! Faces as people meet them, with an engine that sees what a test says: the real networks are
//! tested in the engine's own tests and in browsers.

use chrono::TimeDelta;
use mingtang::domain::classroom::check::{CheckKind, Outcome, Ruling};
use mingtang::domain::face::check::Eyesight;
use mingtang::domain::face::finding::Finding;
use mingtang::domain::face::geometry::Face;
use mingtang::domain::face::template::{
    Metric, ModelId, Recogniser, Similarity, Template, Thresholds,
};
use mingtang::domain::id::{AccountId, FacePictureId, PersonId};
use mingtang::service::classroom::{self, reviews};
use mingtang::service::face::enrolment::{self, Taken};
use mingtang::service::face::picture::Picture;
use mingtang::service::face::{Error, FaceEngine, Models};
use mingtang::service::{Eyes, ledger};
use sqlx::Row as _;

use super::class::{Class, actor};
use super::rules::code;
use crate::support::World;

/// Compares by one number; looks at nothing.
struct Scripted(Recogniser);

impl Scripted {
    fn new() -> Self {
        let model = ModelId {
            name: "scripted".into(),
            sha256: "5c".repeat(32),
        };
        let thresholds = Thresholds {
            matches: 0.5,
            unsure: 0.6,
        };
        Self(Recogniser::new(model, Metric::Euclidean, thresholds).unwrap())
    }

    fn template(&self, place: f32) -> Template {
        self.0.template(vec![1.0, place, 0.125, 0.375]).unwrap()
    }
}

impl FaceEngine for Scripted {
    fn models(&self) -> Models<'_> {
        Models {
            eyesight: Eyesight::Contours,
            recogniser: Some(&self.0),
        }
    }

    fn detect(&self, _: &Picture) -> Result<Vec<Face>, Error> {
        Ok(Vec::new())
    }

    fn embed(&self, _: &Picture, _: &Face) -> Result<Template, Error> {
        Err(Error::NoModel)
    }

    fn compare(&self, one: &Template, two: &Template) -> Result<Similarity, Error> {
        Ok(self.0.compare(one, two)?)
    }
}

const PORTRAIT: &[u8] = b"a portrait that nobody else may read";
const FRAME: &[u8] = b"a frame that a finding rests on";

/// A class with face checks whose server has eyes.
async fn class() -> Class {
    let mut world = World::new().await;
    world.context.eyes = Eyes::new(vec![Box::new(Scripted::new())]);
    let policy = world.context.classroom_policy.as_ref().clone();
    world.context.classroom_policy = policy.with_faces(true).into();
    Class::live_in(world).await
}

async fn enrol(class: &Class, account: AccountId) -> PersonId {
    let person = actor(&class.context, account).await;
    enrolment::consent(&class.context, &person, 1)
        .await
        .unwrap();
    let engine = Scripted::new();
    let taken = Taken {
        templates: [0.0, 0.1, 0.2].map(|place| engine.template(place)).into(),
        portrait: PORTRAIT.to_vec(),
    };
    enrolment::propose(&class.context, account, &taken)
        .await
        .unwrap();
    person.person
}

async fn rows(class: &Class, query: &str) -> Vec<sqlx::postgres::PgRow> {
    let mut db = class.context.store.reader().await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(query.to_owned()))
        .fetch_all(&mut *db)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_face_counts_after_consent_and_approval_by_somebody_else_and_is_stored_sealed() {
    let class = class().await;
    let account = class.demo.learners[0];
    let learner = actor(&class.context, account).await;
    let engine = Scripted::new();
    let taken = Taken {
        templates: vec![engine.template(0.0); 3],
        portrait: PORTRAIT.to_vec(),
    };
    let early = enrolment::propose(&class.context, account, &taken).await;
    assert_eq!(code(early), "face.consent_needed");
    let person = enrol(&class, account).await;
    let own = enrolment::approve(&class.context, &learner, person).await;
    assert_eq!(code(own), "person.not_found");
    let portrait = enrolment::portrait(&class.context, &class.officer, person).await;
    assert_eq!(portrait.unwrap(), PORTRAIT);
    enrolment::approve(&class.context, &class.officer, person)
        .await
        .unwrap();
    let mine = enrolment::mine(&class.context, &learner).await.unwrap();
    assert_eq!((mine.stage, mine.outdated), ("approved", false));
    let stored = rows(&class, "select template, portrait from face_enrolment").await;
    let bytes = |column: &str| stored[0].get::<Vec<u8>, _>(column);
    let number = 0.375_f32.to_le_bytes();
    assert!(!bytes("template").windows(4).any(|four| four == number));
    assert!(
        !bytes("portrait")
            .windows(8)
            .any(|part| part == &PORTRAIT[..8])
    );
    let facts = rows(
        &class,
        "select body from ledger_fact where kind like 'face_%'",
    )
    .await;
    assert_eq!(facts.len(), 3);
    for fact in facts {
        assert!(!fact.get::<String, _>("body").contains("0.375"));
    }
}

#[tokio::test]
async fn withdrawal_deletes_what_was_made_of_the_face_and_the_deletion_is_a_fact() {
    let class = class().await;
    let account = class.demo.learners[0];
    let person = enrol(&class, account).await;
    enrolment::approve(&class.context, &class.officer, person)
        .await
        .unwrap();
    let learner = actor(&class.context, account).await;
    enrolment::withdraw(&class.context, &learner).await.unwrap();
    let left = rows(
        &class,
        "select 1 from face_enrolment where template is not null or portrait is not null \
         union all select 1 from face_hash union all select 1 from face_picture",
    )
    .await;
    assert!(left.is_empty());
    let gone = rows(
        &class,
        "select body from ledger_fact where kind = 'face_withdrawn' and body like '%true%'",
    )
    .await;
    assert_eq!(gone.len(), 1);
    assert!(
        ledger::verify(&class.context, None)
            .await
            .unwrap()
            .is_sound()
    );
}

/// Lets time pass until the eyes are wanted for this learner.
async fn until_look(class: &mut Class, account: AccountId) -> classroom::Sitting {
    let id = class.attendances[&account];
    class.attentive.retain(|other| *other != account);
    for _ in 0..800 {
        if let Some(sitting) = classroom::sit(&class.context, id).await.unwrap() {
            return sitting;
        }
        class.pass(5).await;
        if class
            .prompt(account)
            .await
            .is_some_and(|prompt| prompt.question.is_some())
        {
            class.answer_right(account).await.unwrap();
        }
    }
    panic!("no look within an hour");
}

#[tokio::test]
async fn a_finding_is_kept_with_its_picture_and_a_reviewer_decides_about_what_is_unsure() {
    let mut class = class().await;
    let account = class.demo.learners[0];
    let person = enrol(&class, account).await;
    enrolment::approve(&class.context, &class.officer, person)
        .await
        .unwrap();
    let sitting = until_look(&mut class, account).await;
    assert!(sitting.look.silent && sitting.template.is_some());
    let pictures = [FRAME.to_vec()];
    classroom::found(&class.context, &sitting, Finding::Unsure, &pictures)
        .await
        .unwrap();
    let (waiting, total) = reviews::list(&class.context, &class.officer, 20, 0)
        .await
        .unwrap();
    assert_eq!((total, waiting[0].not_yours), (1, false));
    let check = &waiting[0].checks[0];
    assert_eq!(check.check.kind, CheckKind::Face);
    assert_eq!(check.check.outcome, Some(Outcome::PassedLowAssurance));
    let picture = FacePictureId(check.pictures[0].id);
    for reader in [&class.officer, &class.learners[0]] {
        let webp = reviews::picture(&class.context, reader, picture).await;
        assert_eq!(webp.unwrap(), FRAME);
    }
    let other = reviews::picture(&class.context, &class.learners[1], picture).await;
    assert_eq!(code(other), "face.no_picture");
    let ledgered = rows(
        &class,
        "select body from ledger_fact where kind = 'check_found'",
    )
    .await;
    let body: String = ledgered[0].get("body");
    assert!(body.contains(&check.pictures[0].sha256), "{body}");
    let id = check.check.id;
    reviews::rule(&class.context, &class.officer, id, Ruling::Upheld)
        .await
        .unwrap();
    let (_, total) = reviews::list(&class.context, &class.officer, 20, 0)
        .await
        .unwrap();
    assert_eq!(total, 0);
}

#[tokio::test]
async fn a_finding_of_an_earlier_look_is_nothing_and_leaves_no_picture() {
    let mut class = class().await;
    let account = class.demo.learners[0];
    let sitting = until_look(&mut class, account).await;
    assert!(sitting.template.is_none(), "this learner is not enrolled");
    let pictures = [FRAME.to_vec()];
    for _ in 0..2 {
        classroom::found(&class.context, &sitting, Finding::Unverified, &pictures)
            .await
            .unwrap();
    }
    let kept = rows(&class, "select 1 from face_picture").await;
    assert_eq!(kept.len(), 1);
}

#[tokio::test]
async fn pictures_go_after_thirty_days_and_not_before_somebody_decided_about_them() {
    let mut class = class().await;
    let account = class.demo.learners[0];
    let person = enrol(&class, account).await;
    enrolment::approve(&class.context, &class.officer, person)
        .await
        .unwrap();
    let sitting = until_look(&mut class, account).await;
    let pictures = [FRAME.to_vec()];
    classroom::found(&class.context, &sitting, Finding::Unsure, &pictures)
        .await
        .unwrap();
    classroom::end(&class.context, &class.teacher, class.lesson)
        .await
        .unwrap();
    class.pass(300).await;
    class.world.clock.advance(TimeDelta::days(29));
    let check = sitting.look.check;
    let pruned = async || classroom::prune_pictures(&class.context).await.unwrap();
    assert_eq!(pruned().await, 0);
    class.world.clock.advance(TimeDelta::days(2));
    assert_eq!(pruned().await, 0, "a person is still to look at it");
    reviews::rule(&class.context, &class.officer, check, Ruling::Upheld)
        .await
        .unwrap();
    assert_eq!(pruned().await, 1);
    assert!(rows(&class, "select 1 from face_picture").await.is_empty());
}
