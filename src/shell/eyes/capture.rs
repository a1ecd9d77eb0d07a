//! The pictures of one enrolment, from the first key frame to the proposal.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::timeout;

use super::camera::Camera;
use super::sitting::wait;
use crate::domain::face::capture::{Capture, Input, Output, Seen};
use crate::domain::face::check::FrameNumber;
use crate::domain::face::keyframe;
use crate::domain::face::message::Message;
use crate::domain::face::template::Template;
use crate::hub::rooms::Rooms;
use crate::service::face::analyse::{self, Portrait};
use crate::service::face::capture::{Progress, Turn, tell};
use crate::service::face::enrolment::{Taken, propose};
use crate::service::{Context, Error};
use crate::shell::foundation::whole;

/// How long the person may take to open the camera.
const CAMERA_WAIT: Duration = Duration::from_secs(30);

/// Plays an enrolment to its end and tells the person how it went.
pub(super) async fn play(context: Context, rooms: Rooms, turn: Turn) {
    let mut camera = Camera::new(rooms, turn.room(), turn.account());
    let progress = match taken(&context, &mut camera, &turn).await {
        Ok(progress) => progress,
        Err(Error::Refused(refusal)) if refusal.code == "face.not_one_person" => {
            Progress::NotOnePerson
        }
        Err(Error::Refused(_)) => Progress::Failed,
        Err(Error::Failed(failure)) => {
            tracing::error!(error = whole(&failure), "an enrolment failed");
            Progress::Failed
        }
    };
    let account = turn.account();
    // First, so that whoever is told may ask again at once.
    drop(turn);
    let told = tell(&context, account, progress, 0, None).await;
    if let Err(error) = told {
        tracing::warn!(
            error = whole(&error),
            "nobody was told how an enrolment went"
        );
    }
}

async fn taken(context: &Context, camera: &mut Camera, turn: &Turn) -> Result<Progress, Error> {
    camera.want_still().await;
    let Ok(first) = timeout(CAMERA_WAIT, camera.still()).await else {
        return Ok(Progress::NoCamera);
    };
    drop(first);
    let Some(taken) = look(context, camera, turn).await? else {
        return Ok(Progress::TooFew);
    };
    propose(context, turn.account(), &taken).await?;
    Ok(Progress::Taken)
}

async fn look(context: &Context, camera: &mut Camera, turn: &Turn) -> Result<Option<Taken>, Error> {
    let mut capture = Capture::new(context.now());
    let mut frames: BTreeMap<FrameNumber, Bytes> = BTreeMap::new();
    let mut templates: BTreeMap<FrameNumber, Template> = BTreeMap::new();
    let mut under_way = FuturesUnordered::new();
    let (mut last, mut good) = (Bytes::new(), 0);
    let mut said: Option<Message> = None;
    capture.handle(Input::Tick, context.now());
    loop {
        while let Some(output) = capture.poll_output() {
            match output {
                Output::RequestKeyFrame => camera.want_still().await,
                Output::Analyse(number) => {
                    frames.insert(number, last.clone());
                    let frame = last.clone();
                    under_way.push(async move { (number, portrait(context, frame).await) });
                }
                Output::Forget(number) => drop(frames.remove(&number)),
                Output::Show(message) => {
                    said = message;
                    tell(context, turn.account(), Progress::Looking, good, said).await?;
                }
                Output::Progress(count) => {
                    good = count;
                    tell(context, turn.account(), Progress::Looking, good, said).await?;
                }
                Output::Finish(numbers) => {
                    let best = numbers.first().and_then(|number| frames.get(number));
                    let webp = best.and_then(|frame| keyframe::wrap(frame).ok());
                    let templates = numbers.iter().filter_map(|number| templates.remove(number));
                    return Ok(webp.map(|portrait| Taken {
                        templates: templates.collect(),
                        portrait,
                    }));
                }
                Output::GiveUp => return Ok(None),
            }
        }
        let wait = wait(capture.next_deadline(), context.now());
        let input = tokio::select! {
            frame = camera.still() => {
                last = frame;
                Input::KeyFrame
            }
            Some((frame, portrait)) = under_way.next() => {
                let seen = match portrait {
                    Some(Portrait::Face { score, template }) => {
                        templates.insert(frame, template);
                        Seen::Face { score }
                    }
                    Some(Portrait::Fault(fault)) => Seen::Fault(fault),
                    None => Seen::Nothing,
                };
                Input::Analysed { frame, seen }
            }
            () = tokio::time::sleep(wait) => Input::Tick,
        };
        capture.handle(input, context.now());
    }
}

async fn portrait(context: &Context, frame: Bytes) -> Option<Portrait> {
    let looked = context.eyes.look(&*context.workers, move |engine| {
        analyse::portrait(engine, &frame)
    });
    match looked.await {
        Ok(Ok(portrait)) => portrait,
        Ok(Err(error)) => {
            tracing::warn!(error = whole(&error), "a picture could not be looked at");
            None
        }
        Err(_) => None,
    }
}
