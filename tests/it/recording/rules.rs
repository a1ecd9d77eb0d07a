//! Who may record, and what is found when somebody changes what was written.

use std::path::PathBuf;

use mingtang::domain::actor::Actor;
use mingtang::domain::id::{RecordedTrackId, RecordingId};
use mingtang::domain::recording::chain::{Flaw, GapCause};
use mingtang::media::cutter::Matter;
use mingtang::media::matroska;
use mingtang::service::blobs::Blobs;
use mingtang::service::recording::{self, Order, Tape};
use mingtang::service::{Context, Error, classroom, ledger};
use tempfile::TempDir;

use super::{piece, segment};
use crate::classroom::class::Class;

/// A lesson that is recorded into a directory.
struct Recorded {
    class: Class,
    id: RecordingId,
    folder: TempDir,
}

impl Recorded {
    async fn start() -> Self {
        let mut class = Class::live().await;
        let folder = tempfile::tempdir().unwrap();
        class.context.blobs = Blobs::in_directory(folder.path()).unwrap();
        let id = order(&class, &class.teacher, Order::Start).await.unwrap();
        Self { class, id, folder }
    }

    fn context(&self) -> &Context {
        &self.class.context
    }

    /// A track of three seconds: sound, nothing for a second, sound.
    async fn write(&self) -> Tape {
        let mut tape = Tape::open(self.context(), self.id).await.unwrap();
        let opened_at = self.context().now();
        let identity = self.class.demo.teacher.to_string();
        let gap = Matter::Gap(GapCause::Transport);
        let matters = [(1_000, segment(0)), (2_000, gap), (3_000, segment(2_000))];
        for (to, matter) in matters {
            let item = piece(&identity, opened_at, to, matter);
            let kept = tape.keep(self.context(), item).await;
            tape.append(self.context(), &[kept]).await.unwrap();
        }
        tape
    }

    async fn track(&self) -> RecordedTrackId {
        let detail = recording::get(self.context(), &self.class.teacher, self.id);
        detail.await.unwrap().tracks[0].id
    }

    async fn found(&self) -> Vec<(u64, Flaw)> {
        let report = recording::verify(self.context()).await.unwrap();
        let findings = report.findings.iter();
        findings.map(|found| (found.sequence, found.flaw)).collect()
    }

    fn files(&self) -> Vec<PathBuf> {
        let folder = self.folder.path().join(format!("recordings/{}", self.id));
        let files = std::fs::read_dir(folder).unwrap();
        let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        files
    }

    async fn by_hand(&self, sql: &str) {
        let mut hand = self.class.world.hand().await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
            .execute(&mut hand)
            .await
            .unwrap();
    }
}

async fn order(class: &Class, actor: &Actor, order: Order) -> Result<RecordingId, Error> {
    let view = recording::order(&class.context, actor, class.lesson, order).await;
    view.map(|view| view.id)
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    match result {
        Err(Error::Refused(refusal)) => refusal.code,
        other => panic!("a refusal was due: {other:?}"),
    }
}

#[tokio::test]
async fn staff_record_a_lesson_that_is_held_and_learners_do_not() {
    let class = Class::planned().await;
    let teacher = &class.teacher;
    assert_eq!(
        code(order(&class, teacher, Order::Start).await),
        "lesson.not_live"
    );
    classroom::start(&class.context, teacher, class.lesson)
        .await
        .unwrap();
    let stop = order(&class, teacher, Order::Stop).await;
    assert_eq!(code(stop), "recording.not_running");
    let learner = order(&class, &class.learners[0], Order::Start).await;
    assert_eq!(code(learner), "auth.forbidden");
    let id = order(&class, &class.officer, Order::Start).await.unwrap();
    assert_eq!(
        code(order(&class, teacher, Order::Start).await),
        "recording.running"
    );
    let reason = String::new();
    let silent = order(&class, teacher, Order::Pause { reason }).await;
    assert_eq!(code(silent), "recording.reason");
    let reason = "个人隐私".to_owned();
    order(&class, teacher, Order::Pause { reason })
        .await
        .unwrap();
    order(&class, teacher, Order::Resume).await.unwrap();
    order(&class, teacher, Order::Stop).await.unwrap();
    let mut tape = Tape::open(&class.context, id).await.unwrap();
    tape.finish(&class.context).await.unwrap();
    let view = recording::get(&class.context, teacher, id).await.unwrap();
    assert_eq!(
        (view.recording.state, view.recording.pauses.len()),
        ("ended", 1)
    );
    assert!(
        ledger::verify(&class.context, None)
            .await
            .unwrap()
            .is_sound()
    );
    let again = order(&class, teacher, Order::Start).await.unwrap();
    assert_ne!(again, id);
}

#[tokio::test]
async fn a_recording_ends_with_its_lesson() {
    let recorded = Recorded::start().await;
    let open = recording::open(recorded.context()).await.unwrap();
    assert!(open.len() == 1 && !open[0].is_over());
    let (teacher, lesson) = (&recorded.class.teacher, recorded.class.lesson);
    classroom::end(recorded.context(), teacher, lesson)
        .await
        .unwrap();
    let open = recording::open(recorded.context()).await.unwrap();
    assert!(
        open.len() == 1 && open[0].is_over(),
        "what was heard is still to be written"
    );
    let mut tape = Tape::open(recorded.context(), recorded.id).await.unwrap();
    tape.finish(recorded.context()).await.unwrap();
    assert_eq!(recording::open(recorded.context()).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_written_is_sealed_and_read_by_staff_of_the_lesson_alone() {
    let recorded = Recorded::start().await;
    recorded.write().await;
    assert_eq!(recorded.found().await, []);
    let (context, class) = (recorded.context(), &recorded.class);
    let detail = recording::get(context, &class.teacher, recorded.id)
        .await
        .unwrap();
    let track = &detail.tracks[0];
    assert!(track.name.is_some(), "an account has a name");
    let coverage = (
        track.coverage.recorded_ms,
        track.coverage.lost_ms,
        track.uncovered_ms,
    );
    assert_eq!(coverage, (2_000, 1_000, 0));
    let files = recorded.files();
    assert_eq!(files.len(), 2);
    let sealed = std::fs::read(&files[0]).unwrap();
    assert!(!sealed.windows(8).any(|part| part == b"OpusHead"));

    let third = recording::segment(context, &class.officer, recorded.id, track.id, 2);
    let (_, blocks) = matroska::read(&third.await.unwrap().file).unwrap();
    assert_eq!((blocks.len(), blocks[0].at_ms), (50, 2_000));
    let gap = recording::segment(context, &class.teacher, recorded.id, track.id, 1).await;
    assert_eq!(code(gap), "recording.not_found");
    let learner = &class.learners[0];
    let seen = recording::segment(context, learner, recorded.id, track.id, 0).await;
    assert_eq!(code(seen), "recording.not_found");
    assert_eq!(
        code(recording::get(context, learner, recorded.id).await),
        "recording.not_found"
    );
    let listed = recording::list(context, learner, None, (10, 0))
        .await
        .unwrap();
    assert_eq!(listed.1, 0);
    let listed = recording::list(context, &class.officer, Some(class.lesson), (10, 0));
    assert_eq!(listed.await.unwrap().1, 1);
}

#[tokio::test]
async fn an_export_has_every_frame_of_every_track_in_the_order_of_time() {
    let recorded = Recorded::start().await;
    let mut tape = recorded.write().await;
    let opened_at = recorded.context().now() + chrono::TimeDelta::milliseconds(1);
    let other = recorded.class.demo.officer.to_string();
    for (to, from) in [(1_000, 500), (8_000, 7_000)] {
        let item = piece(&other, opened_at, to, segment(from));
        let kept = tape.keep(recorded.context(), item).await;
        tape.append(recorded.context(), &[kept]).await.unwrap();
    }
    let (context, teacher) = (recorded.context(), &recorded.class.teacher);
    let mut export = recording::export(context, teacher, recorded.id, &[])
        .await
        .unwrap();
    let mut file = Vec::new();
    while let Some(part) = export.next().await.unwrap() {
        file.extend(part);
    }
    let (heads, blocks) = matroska::read(&file).unwrap();
    assert_eq!((heads.len(), blocks.len()), (2, 200));
    assert!(blocks.windows(2).all(|pair| pair[0].at_ms <= pair[1].at_ms));
    let second = blocks.iter().filter(|block| block.track == 2);
    assert!(
        second.map(|block| block.at_ms).eq((0..50)
            .map(|frame| 500 + frame * 20)
            .chain((0..50).map(|frame| 7_000 + frame * 20)))
    );
    let nothing = RecordedTrackId(recorded.id.0);
    let nothing = recording::export(context, teacher, recorded.id, &[nothing]).await;
    assert_eq!(code(nothing), "recording.not_found");
}

#[tokio::test]
async fn a_changed_or_missing_file_is_found() {
    let recorded = Recorded::start().await;
    recorded.write().await;
    let files = recorded.files();
    let mut bytes = std::fs::read(&files[1]).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&files[1], bytes).unwrap();
    std::fs::remove_file(&files[0]).unwrap();
    let found = recorded.found().await;
    assert_eq!(found, [(0, Flaw::FileMissing), (2, Flaw::FileChanged)]);
    let track = recorded.track().await;
    let (context, teacher) = (recorded.context(), &recorded.class.teacher);
    let damaged = recording::segment(context, teacher, recorded.id, track, 2).await;
    assert_eq!(code(damaged), "recording.damaged");
}

#[tokio::test]
async fn a_row_that_a_hand_changed_or_took_out_is_found() {
    for (sql, found) in [
        (
            "update recording_entry set content = '{\"kind\": \"gap\", \"cause\": \"off\"}' \
             where sequence = 1",
            (1, Flaw::ContentEdited),
        ),
        (
            "delete from recording_entry where sequence = 2",
            (2, Flaw::EntryMissing),
        ),
        (
            "delete from recording_entry where sequence = 0",
            (0, Flaw::EntryMissing),
        ),
        (
            "update recording_track set opened_at = opened_at - interval '1 second'",
            (0, Flaw::Uncovered),
        ),
    ] {
        let recorded = Recorded::start().await;
        recorded.write().await;
        recorded.by_hand(sql).await;
        assert_eq!(recorded.found().await, [found], "{sql}");
    }
}

#[tokio::test]
async fn an_end_that_is_cut_off_misses_what_the_ledger_has_of_it() {
    let recorded = Recorded::start().await;
    let mut tape = recorded.write().await;
    order(&recorded.class, &recorded.class.teacher, Order::Stop)
        .await
        .unwrap();
    tape.finish(recorded.context()).await.unwrap();
    let report = recording::verify(recorded.context()).await.unwrap();
    assert_eq!((report.unmarked, report.files), (0, 2));
    recorded
        .by_hand(
            "delete from recording_entry where sequence = 2;
             update recording_track t set next_sequence = 2, head_hash = e.hash,
                 covered_to = e.to_at
             from recording_entry e where e.track_id = t.id and e.sequence = 1",
        )
        .await;
    assert_eq!(recorded.found().await, [(2, Flaw::EntryMissing)]);
}

#[tokio::test]
async fn a_piece_is_appended_once_however_often_it_is_offered() {
    let recorded = Recorded::start().await;
    let mut tape = recorded.write().await;
    let opened_at = recorded.context().now();
    let identity = recorded.class.demo.teacher.to_string();
    let item = piece(&identity, opened_at, 4_000, segment(3_000));
    let kept = tape.keep(recorded.context(), item).await;
    for _ in 0..2 {
        let kept = [kept.clone(), kept.clone()];
        tape.append(recorded.context(), &kept).await.unwrap();
    }
    let (context, teacher) = (recorded.context(), &recorded.class.teacher);
    let track = recorded.track().await;
    let entries = recording::entries(context, teacher, recorded.id, track, 0)
        .await
        .unwrap();
    assert_eq!((entries.entries.len(), entries.next), (4, None));
    assert_eq!(recorded.found().await, []);
}

#[tokio::test]
async fn a_disk_that_does_not_take_a_segment_leaves_a_gap_with_its_cause() {
    let recorded = Recorded::start().await;
    let mut tape = recorded.write().await;
    let folder = recorded.folder.path().join("recordings");
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    let opened_at = recorded.context().now();
    let identity = recorded.class.demo.teacher.to_string();
    let item = piece(&identity, opened_at, 4_000, segment(3_000));
    let kept = tape.keep(recorded.context(), item).await;
    assert!(kept.trouble.is_some() && !kept.is_segment());
    tape.append(recorded.context(), &[kept]).await.unwrap();
    let (context, teacher) = (recorded.context(), &recorded.class.teacher);
    let track = recorded.track().await;
    let entries = recording::entries(context, teacher, recorded.id, track, 3)
        .await
        .unwrap();
    assert_eq!(entries.entries[0].gap, Some(GapCause::StorageFailed));
}

#[tokio::test]
async fn a_server_that_is_back_says_how_long_it_was_gone() {
    let recorded = Recorded::start().await;
    recorded.write().await;
    recorded
        .class
        .world
        .clock
        .advance(chrono::TimeDelta::seconds(90));
    let mut restarted = recorded.class.world.restarted().await;
    restarted.blobs = recorded.context().blobs.clone();
    assert_eq!(recording::recover(&restarted).await.unwrap(), 1);
    let detail = recording::get(&restarted, &recorded.class.teacher, recorded.id);
    let incident = detail.await.unwrap().recording.incidents[0].clone();
    let gone = incident.to.unwrap() - incident.from;
    assert_eq!(gone, chrono::TimeDelta::seconds(87));
    // The tape goes on where the chain stood, with the key that was wrapped.
    let mut tape = Tape::open(&restarted, recorded.id).await.unwrap();
    let known = tape.known().remove(0);
    let back = piece(&known.identity, known.covered_to, 87_000, {
        Matter::Gap(GapCause::RecorderRestarted)
    });
    let kept = tape.keep(&restarted, back).await;
    tape.append(&restarted, &[kept]).await.unwrap();
    assert_eq!(recorded.found().await, []);
}
