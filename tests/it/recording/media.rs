//! A client of other make in a lesson that is recorded: what it sends is on the disk byte for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum_server::Handle;
use mingtang::domain::actor::Actor;
use mingtang::domain::classroom::lesson::Plan;
use mingtang::domain::id::{LessonId, RecordingId};
use mingtang::domain::recording::chain::GapCause;
use mingtang::media::matroska;
use mingtang::service::blobs::Blobs;
use mingtang::service::classroom::{self, NewLesson};
use mingtang::service::demo::{self, Demo};
use mingtang::service::recording::{self, Order};
use mingtang::service::{Context, ledger};
use mingtang::shell::clock::SystemClock;
use mingtang::shell::connections::Connections;
use mingtang::shell::keys::ApiKey;
use mingtang::shell::plane::Plane;
use mingtang::shell::recorder::Recorder;
use tempfile::TempDir;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::classroom::class::actor;
use crate::media::client::{Client, Kind, Way};
use crate::media::{FRAME, config, payload};
use crate::support::World;
use crate::waiting::{coming, until};

/// A server with a lesson that is held and recorded.
struct Studio {
    context: Context,
    teacher: Actor,
    demo: Demo,
    lesson: LessonId,
    recording: RecordingId,
    plane: Plane,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    recorder: JoinHandle<()>,
    bell: Arc<Notify>,
    _folder: TempDir,
    _world: World,
}

impl Studio {
    async fn open() -> Self {
        let world = World::new().await;
        let folder = tempfile::tempdir().unwrap();
        let mut context = world.context.clone();
        context.clock = Arc::new(SystemClock);
        context.blobs = Blobs::in_directory(folder.path()).unwrap();
        let demo = demo::seed(&context, "a long demo password").await.unwrap();
        let teacher = actor(&context, demo.teacher).await;
        let lesson = held(&context, &teacher, &demo).await;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let key = ApiKey {
            name: "own".to_owned(),
            secret: "a secret of thirty-two characters".to_owned(),
        };
        let (plane, mut facts) = Plane::start(&config(address, true), &context, &key).unwrap();
        tokio::spawn(async move { while facts.recv().await.is_some() {} });
        let connections = Connections::new(64, FRAME * 500).with_door(plane.door());
        let app = plane.signalling(&context);
        tokio::spawn(connections.serve(listener, None, app, Handle::new()));
        let started = recording::order(&context, &teacher, lesson, Order::Start).await;
        let bell = Arc::new(Notify::new());
        let (stop, recorder) = recorder(&context, &plane, &bell);
        Self {
            recording: started.unwrap().id,
            context,
            teacher,
            demo,
            lesson,
            plane,
            address,
            stop,
            recorder,
            bell,
            _folder: folder,
            _world: world,
        }
    }

    async fn publisher(&self) -> Client {
        let room = classroom::room_name(self.lesson);
        let identity = self.demo.teacher.to_string();
        Client::join(Way::Udp, self.address, &room, &identity, true).await
    }

    /// Sends until more is written of both tracks than was.
    async fn send_until_written(&self, publisher: &Client, sent: &mut Sent) {
        let before = self.tracks().await;
        let had = |source: &str| before.get(source).map_or(0, |(_, entries)| *entries);
        let mut pace = tokio::time::interval(FRAME);
        let sending = async {
            loop {
                pace.tick().await;
                sent.one(publisher).await;
                let tracks = self.tracks().await;
                let grown = tracks
                    .iter()
                    .filter(|(source, (_, has))| *has > had(source.as_str()));
                if grown.count() == 2 {
                    return;
                }
            }
        };
        coming("entries of both tracks", sending).await;
    }

    /// Sends for so many frames.
    async fn send_frames(&self, publisher: &Client, sent: &mut Sent, frames: usize) {
        let mut pace = tokio::time::interval(FRAME);
        for _ in 0..frames {
            pace.tick().await;
            sent.one(publisher).await;
        }
    }

    /// Each track's id and entries, by its source.
    async fn tracks(&self) -> BTreeMap<String, (mingtang::domain::id::RecordedTrackId, u64)> {
        let detail = recording::get(&self.context, &self.teacher, self.recording)
            .await
            .unwrap();
        let tracks = detail.tracks.into_iter();
        tracks
            .map(|track| (track.source, (track.id, track.entries)))
            .collect()
    }

    async fn order(&self, order: Order) {
        let (context, teacher) = (&self.context, &self.teacher);
        recording::order(context, teacher, self.lesson, order)
            .await
            .unwrap();
    }

    /// Ends the recording and waits until everything is written.
    async fn end(&self) {
        self.order(Order::Stop).await;
        until("the recording is written", async || {
            let open = recording::open(&self.context).await.unwrap();
            open.is_empty()
        })
        .await;
    }

    /// What a track has: gaps by their cause, and segments with their frames.
    async fn told(&self, source: &str) -> Vec<Told> {
        let (track, _) = self.tracks().await[source];
        let (context, teacher, id) = (&self.context, &self.teacher, self.recording);
        let page = recording::entries(context, teacher, id, track, 0)
            .await
            .unwrap();
        let mut told = Vec::new();
        for entry in page.entries {
            if let Some(cause) = entry.gap {
                told.push(Told::Gap(cause));
                continue;
            }
            let file = recording::segment(context, teacher, id, track, entry.sequence);
            let (_, blocks) = matroska::read(&file.await.unwrap().file).unwrap();
            let frames = blocks.into_iter().map(|block| block.data.to_vec());
            told.push(Told::Frames(frames.collect()));
        }
        told
    }
}

/// What is written of a stretch.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Gap(GapCause),
    Frames(Vec<Vec<u8>>),
}

/// What was sent, as a decoder would get it.
#[derive(Default)]
struct Sent {
    number: u16,
    frames: BTreeSet<Vec<u8>>,
}

impl Sent {
    async fn one(&mut self, publisher: &Client) {
        for kind in [Kind::Audio, Kind::Video] {
            let payload = payload(kind, self.number);
            publisher.send(kind, self.number, &payload).await;
            let frame = match kind {
                Kind::Audio => payload,
                Kind::Video => payload[1..].to_vec(),
            };
            self.frames.insert(frame);
        }
        self.number += 1;
    }

    fn has(&self, told: &[Told]) -> bool {
        told.iter().all(|told| match told {
            Told::Gap(_) => true,
            Told::Frames(frames) => frames.iter().all(|frame| self.frames.contains(frame)),
        })
    }
}

async fn held(context: &Context, teacher: &Actor, demo: &Demo) -> LessonId {
    let now = context.now();
    let new = NewLesson {
        unit: demo.county.id,
        plan: Plan {
            title: "社区矫正法".into(),
            starts_at: now,
            ends_at: now + chrono::TimeDelta::hours(1),
        },
        teacher: None,
        learners: demo.learners.clone(),
        face_checks: None,
    };
    let lesson = classroom::create(context, teacher, new).await.unwrap().id;
    classroom::start(context, teacher, lesson).await.unwrap();
    lesson
}

fn recorder(
    context: &Context,
    plane: &Plane,
    bell: &Arc<Notify>,
) -> (watch::Sender<bool>, JoinHandle<()>) {
    let (stop, stopped) = watch::channel(false);
    let recorder = Recorder::new(context.clone(), plane.rooms.clone(), Arc::clone(bell));
    (stop, tokio::spawn(recorder.run(stopped)))
}

fn frames(told: &[Told]) -> usize {
    let segments = told.iter().map(|told| match told {
        Told::Gap(_) => 0,
        Told::Frames(frames) => frames.len(),
    });
    segments.sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_is_recorded_byte_for_byte_and_a_pause_and_an_absence_are_gaps() {
    let studio = Studio::open().await;
    let publisher = studio.publisher().await;
    let mut sent = Sent::default();
    studio.send_until_written(&publisher, &mut sent).await;
    let room = classroom::room_name(studio.lesson);
    let views = studio.plane.rooms.participants(&room).await.unwrap();
    assert_eq!(views.len(), 1, "nobody sees a recorder");
    let reason = "休庭".to_owned();
    studio.order(Order::Pause { reason }).await;
    studio.send_frames(&publisher, &mut sent, 100).await;
    studio.order(Order::Resume).await;
    studio.send_until_written(&publisher, &mut sent).await;
    publisher.leave().await;
    let back = studio.publisher().await;
    studio.send_until_written(&back, &mut sent).await;
    studio.end().await;
    for source in ["camera", "microphone"] {
        let told = studio.told(source).await;
        assert!(sent.has(&told), "{source} has a frame that was never sent");
        assert!(
            told.contains(&Told::Gap(GapCause::Paused)),
            "{source}: {}",
            told.len()
        );
        assert!(frames(&told) > 50, "{source}: {}", frames(&told));
    }
    let detail = recording::get(&studio.context, &studio.teacher, studio.recording);
    for track in detail.await.unwrap().tracks {
        assert_eq!(track.uncovered_ms, 0, "{track:?}");
    }
    let report = recording::verify(&studio.context).await.unwrap();
    assert!(
        report.is_sound() && report.files >= 4 && report.unmarked == 0,
        "{report:?}"
    );
    assert!(
        ledger::verify(&studio.context, None)
            .await
            .unwrap()
            .is_sound()
    );
    studio.stop.send_replace(true);
    coming("the recorder ends", studio.recorder).await.unwrap();
    studio.plane.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorder_that_stops_writes_what_it_heard_and_the_next_one_goes_on_with_a_gap() {
    let mut studio = Studio::open().await;
    let publisher = studio.publisher().await;
    let mut sent = Sent::default();
    studio.send_until_written(&publisher, &mut sent).await;
    studio.stop.send_replace(true);
    coming("the recorder ends", &mut studio.recorder)
        .await
        .unwrap();
    let told = studio.told("microphone").await;
    assert!(frames(&told) > 10, "{told:?}");
    publisher.leave().await;
    assert_eq!(recording::recover(&studio.context).await.unwrap(), 1);
    (studio.stop, studio.recorder) = recorder(&studio.context, &studio.plane, &studio.bell);
    let publisher = studio.publisher().await;
    studio.send_until_written(&publisher, &mut sent).await;
    studio.end().await;
    for source in ["camera", "microphone"] {
        let told = studio.told(source).await;
        assert!(sent.has(&told));
        let restarted = told
            .iter()
            .position(|told| *told == Told::Gap(GapCause::RecorderRestarted));
        let restarted = restarted.expect("a gap of the restart");
        assert!(frames(&told[restarted..]) > 0, "{source} goes on after it");
    }
    assert!(recording::verify(&studio.context).await.unwrap().is_sound());
    studio.plane.stop();
}
