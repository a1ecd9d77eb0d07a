//! The recorder: follows what is stored about recordings, and taps what their rooms publish.
//!
//! It never holds media up: frames that find no place, and files that the disk does not take,
//! become gaps with their causes.

mod budget;
mod timeline;
mod track;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::domain::id::RecordingId;
use crate::domain::recording::chain::GapCause;
use crate::domain::recording::{
    IncidentKind, Recording, RecordingCommand, RecordingState, TRACKS_MAX,
};
use crate::hub::rooms::Rooms;
use crate::media::command::MediaKind;
use crate::media::room::Input;
use crate::media::signal::{TrackSource, TrackView};
use crate::service::recording::{self, Known, Tape};
use crate::service::{Context, classroom};
use crate::shell::foundation::whole;
use budget::Budget;
use timeline::Timeline;
use track::{Ending, TrackTask, Wanted};

/// Longest time between two looks at what is stored.
const LOOK_MAX: Duration = Duration::from_secs(1);
/// Longest time between two looks at who publishes what.
const ROOM_LOOK_MAX: Duration = Duration::from_millis(500);
/// Before the next try after a failure (Postgres away).
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// Pieces of one recording that wait to be written; a further one becomes a gap.
const PIECES_MAX: usize = 1_024;

/// What is recorded.
const SOURCES: [TrackSource; 4] = [
    TrackSource::Camera,
    TrackSource::Microphone,
    TrackSource::ScreenShare,
    TrackSource::ScreenShareAudio,
];

/// What the recorder stands on; clones share it.
#[derive(Clone)]
pub struct Recorder {
    context: Context,
    rooms: Rooms,
    /// Rung when somebody begins or ends to publish.
    tracks_changed: Arc<Notify>,
    budget: Budget,
}

/// A recording that is being written.
struct Running {
    state: watch::Sender<Recording>,
    task: JoinHandle<()>,
}

impl Recorder {
    /// A recorder of these rooms.
    pub fn new(context: Context, rooms: Rooms, tracks_changed: Arc<Notify>) -> Self {
        Self {
            context,
            rooms,
            tracks_changed,
            budget: Budget::default(),
        }
    }

    /// Records until `stop` changes; then what was heard so far is written.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut running: BTreeMap<RecordingId, Running> = BTreeMap::new();
        let mut resumed_as = GapCause::RecorderRestarted;
        loop {
            match recording::open(&self.context).await {
                Ok(open) => {
                    for one in open {
                        self.follow(&mut running, one, resumed_as, &stop);
                    }
                    resumed_as = GapCause::TapLost;
                }
                Err(error) => {
                    tracing::warn!(error = whole(&error), "recordings go on as they were");
                }
            }
            running.retain(|_, one| !one.task.is_finished());
            tokio::select! {
                () = self.context.recorder.notified() => {}
                () = tokio::time::sleep(LOOK_MAX) => {}
                _ = stop.changed() => break,
            }
        }
        for (_, one) in running {
            if one.task.await.is_err() {
                tracing::error!("a recording broke while it was ended");
            }
        }
    }

    /// Tells a recording's task how it stands, and starts one where none runs.
    fn follow(
        &self,
        running: &mut BTreeMap<RecordingId, Running>,
        recording: Recording,
        resumed_as: GapCause,
        stop: &watch::Receiver<bool>,
    ) {
        let id = recording.id();
        if let Some(known) = running.get(&id).filter(|known| !known.task.is_finished()) {
            known.state.send_if_modified(|state| {
                let news = *state != recording;
                *state = recording;
                news
            });
            return;
        }
        let (state, receiver) = watch::channel(recording);
        let reel = Reel {
            recorder: self.clone(),
            recording: receiver,
            stop: stop.clone(),
            resumed_as,
        };
        let task = tokio::spawn(reel.run());
        running.insert(id, Running { state, task });
    }
}

/// The task of one recording.
struct Reel {
    recorder: Recorder,
    recording: watch::Receiver<Recording>,
    stop: watch::Receiver<bool>,
    /// Why nothing is there since the recording was written last.
    resumed_as: GapCause,
}

/// A track in a recording: its owner and what it shows.
type Name = (String, &'static str);

/// The tasks of a recording's tracks.
struct Tracks {
    wanted: BTreeMap<Name, watch::Sender<Wanted>>,
    tasks: JoinSet<()>,
    base: TrackTask,
    /// With more participants learners without the floor are not seen by others ...
    together_max: usize,
    /// ... until the end, as in the room itself.
    crowded: bool,
}

impl Reel {
    async fn run(mut self) {
        let first = self.recording.borrow_and_update().clone();
        let room = classroom::room_name(first.lesson());
        let Some(tape) = self.tape(first.id()).await else {
            return;
        };
        let (known, together_max) = (tape.known(), tape.together_max());
        let (pieces, items) = mpsc::channel(PIECES_MAX);
        let (context, budget) = (self.recorder.context.clone(), self.recorder.budget.clone());
        let writer = tokio::spawn(writer::write(context, tape, first.id(), items, budget));
        let mut tracks = Tracks {
            wanted: BTreeMap::new(),
            tasks: JoinSet::new(),
            together_max,
            crowded: false,
            base: TrackTask {
                rooms: self.recorder.rooms.clone(),
                room: room.clone(),
                identity: String::new(),
                source: TrackSource::Unknown,
                name: "",
                origin: first.started_at(),
                timeline: Timeline::begin(self.recorder.context.clock.as_ref()),
                pieces,
                budget: self.recorder.budget.clone(),
            },
        };
        for known in known {
            tracks.resume(&known, self.resumed_as);
        }
        let ending = self.follow(&room, &mut tracks).await;
        tracks.end(ending).await;
        let Ok(tape) = writer.await else {
            tracing::error!("a recording broke while it was written");
            return;
        };
        if let (Ending::Over, Some(mut tape)) = (ending, tape) {
            self.tell_recorded(&room, false).await;
            while let Err(error) = tape.finish(&self.recorder.context).await {
                tracing::warn!(error = whole(&error), "the end of a recording waits");
                if self.pause_or_stop().await {
                    return;
                }
            }
        }
    }

    /// The tape, once the database is there; `None` when the recorder stops first.
    async fn tape(&mut self, id: RecordingId) -> Option<Tape> {
        loop {
            match Tape::open(&self.recorder.context, id).await {
                Ok(tape) => return Some(tape),
                Err(error) => {
                    tracing::error!(error = whole(&error), recording = %id, "nothing is recorded");
                }
            }
            if self.pause_or_stop().await {
                return None;
            }
        }
    }

    /// Waits a moment; true when the recorder stops.
    async fn pause_or_stop(&mut self) -> bool {
        tokio::select! {
            () = tokio::time::sleep(FAILURE_PAUSE) => false,
            _ = self.stop.changed() => true,
        }
    }

    /// Follows the room until the recording is over or the recorder stops.
    async fn follow(&mut self, room: &str, tracks: &mut Tracks) -> Ending {
        let changed = Arc::clone(&self.recorder.tracks_changed);
        loop {
            let recording = self.recording.borrow_and_update().clone();
            if recording.is_over() {
                return Ending::Over;
            }
            if *self.stop.borrow() {
                return Ending::Stopping;
            }
            self.tell_recorded(room, recording::is_audible(&recording))
                .await;
            if !self.reconcile(room, &recording, tracks).await {
                let trouble = RecordingCommand::Trouble(IncidentKind::TooManyTracks);
                writer::tell(&self.recorder.context, recording.id(), trouble).await;
            }
            tokio::select! {
                () = changed.notified() => {}
                () = tokio::time::sleep(ROOM_LOOK_MAX) => {}
                _ = self.recording.changed() => {}
                _ = self.stop.changed() => {}
            }
        }
    }

    /// A room that is not there has nobody to tell.
    async fn tell_recorded(&self, room: &str, recorded: bool) {
        let _ = self
            .recorder
            .rooms
            .input(room, Input::SetRecorded(recorded))
            .await;
    }

    /// Lets each track's task know what is wanted of it; false when there are too many.
    async fn reconcile(&self, room: &str, recording: &Recording, tracks: &mut Tracks) -> bool {
        let paused = matches!(recording.state(), RecordingState::Paused { .. });
        let present = self.recorder.rooms.participants(room).await;
        let present = present.unwrap_or_default();
        tracks.crowded |= present.len() > tracks.together_max;
        let mut wanted: BTreeMap<Name, (TrackSource, Wanted)> = BTreeMap::new();
        for participant in present {
            let unseen = tracks.crowded && classroom::is_in_the_audience(&participant.attributes);
            for track in &participant.tracks {
                if let Some(source) = source_name(track.source) {
                    let name = (participant.identity.clone(), source);
                    let wish = wanted_of(track, paused, unseen);
                    wanted.entry(name).or_insert((track.source, wish));
                }
            }
        }
        for (name, sender) in &tracks.wanted {
            let wish = wanted.remove(name);
            let wish = wish.map_or(Wanted::Silent(GapCause::Off), |(_, wish)| wish);
            sender.send_if_modified(|known| {
                let news = *known != wish;
                *known = wish;
                news
            });
        }
        let mut fits = true;
        for ((identity, name), (source, wish)) in wanted {
            // What is off, or of no concern, is opened when it is on.
            if matches!(wish, Wanted::Silent(cause) if !cause.is_loss()) {
                continue;
            }
            fits &= tracks.wanted.len() < TRACKS_MAX;
            if fits {
                tracks.start((identity, name), source, wish, None);
            }
        }
        fits
    }
}

impl Tracks {
    fn start(
        &mut self,
        name: Name,
        source: TrackSource,
        wish: Wanted,
        resumed: Option<(Known, GapCause)>,
    ) {
        let (sender, receiver) = watch::channel(wish);
        let task = TrackTask {
            identity: name.0.clone(),
            source,
            name: name.1,
            ..self.base.clone()
        };
        self.tasks.spawn(task.run(receiver, resumed));
        self.wanted.insert(name, sender);
    }

    /// A track that was recorded before, which is off until its room says otherwise.
    fn resume(&mut self, known: &Known, cause: GapCause) {
        let named = SOURCES.into_iter().find_map(|source| {
            let name = source_name(source)?;
            (name == known.source).then_some((source, name))
        });
        let Some((source, name)) = named else {
            return;
        };
        let cause = if known.is_live { cause } else { GapCause::Off };
        let off = Wanted::Silent(GapCause::Off);
        let name = (known.identity.clone(), name);
        self.start(name, source, off, Some((known.clone(), cause)));
    }

    /// Ends all tracks, once each has told what it heard.
    async fn end(mut self, ending: Ending) {
        for sender in self.wanted.values() {
            sender.send_replace(Wanted::End(ending));
        }
        while let Some(ended) = self.tasks.join_next().await {
            if ended.is_err() {
                tracing::error!("the recording of a track broke");
            }
        }
    }
}

fn wanted_of(track: &TrackView, paused: bool, unseen: bool) -> Wanted {
    if track.muted || track.mime_type.is_empty() {
        return Wanted::Silent(GapCause::Off);
    }
    if paused {
        return Wanted::Silent(GapCause::Paused);
    }
    if unseen {
        return Wanted::Silent(GapCause::Unseen);
    }
    let is_recordable = ["audio/opus", "audio/red", "video/vp8", "video/h264"]
        .iter()
        .any(|known| track.mime_type.eq_ignore_ascii_case(known));
    if track.encryption != 0 || !is_recordable {
        return Wanted::Silent(GapCause::Unrecordable);
    }
    Wanted::On {
        kind: track.kind,
        announced: (track.width, track.height),
    }
}

/// How a source is named in a recording; what has no known source is not recorded.
fn source_name(source: TrackSource) -> Option<&'static str> {
    match source {
        TrackSource::Camera => Some("camera"),
        TrackSource::Microphone => Some("microphone"),
        TrackSource::ScreenShare => Some("screen_share"),
        TrackSource::ScreenShareAudio => Some("screen_share_audio"),
        TrackSource::Unknown => None,
    }
}

/// What a track of a source carries.
fn kind_of(source: TrackSource) -> MediaKind {
    match source {
        TrackSource::Microphone | TrackSource::ScreenShareAudio => MediaKind::Audio,
        TrackSource::Camera | TrackSource::ScreenShare | TrackSource::Unknown => MediaKind::Video,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::id::TrackId;

    fn track(mime_type: &str) -> TrackView {
        TrackView {
            track: TrackId(Uuid::from_u128(1)),
            kind: MediaKind::Video,
            source: TrackSource::Camera,
            name: String::new(),
            muted: false,
            width: 640,
            height: 360,
            simulcast: false,
            layered: false,
            mime_type: mime_type.to_owned(),
            mid: String::new(),
            layers: Vec::new(),
            stream: String::new(),
            dtx_disabled: false,
            stereo: false,
            red_disabled: false,
            encryption: 0,
        }
    }

    #[test]
    fn what_is_not_recorded_says_whose_doing_that_is() {
        let camera = track("video/VP8");
        let on = Wanted::On {
            kind: MediaKind::Video,
            announced: (640, 360),
        };
        assert_eq!(wanted_of(&camera, false, false), on);
        let silent = |track: &TrackView, paused, unseen| {
            let wish = wanted_of(track, paused, unseen);
            let Wanted::Silent(cause) = wish else {
                panic!("it is to be silent: {wish:?}");
            };
            cause
        };
        assert_eq!(silent(&camera, true, true), GapCause::Paused);
        assert_eq!(silent(&camera, false, true), GapCause::Unseen);
        assert_eq!(
            silent(&track("video/VP9"), false, false),
            GapCause::Unrecordable
        );
        let (mut muted, mut sealed) = (camera.clone(), camera);
        muted.muted = true;
        sealed.encryption = 1;
        assert_eq!(silent(&muted, true, false), GapCause::Off);
        assert_eq!(silent(&sealed, false, false), GapCause::Unrecordable);
        assert_eq!(silent(&track(""), false, false), GapCause::Off);
    }

    #[test]
    fn sources_keep_their_names_over_a_restart() {
        for source in SOURCES {
            let name = source_name(source).unwrap();
            assert!(
                SOURCES
                    .iter()
                    .filter(|other| source_name(**other) == Some(name))
                    .count()
                    == 1
            );
        }
        assert_eq!(source_name(TrackSource::Unknown), None);
    }
}
