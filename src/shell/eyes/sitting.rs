//! One look at one learner, from the first key frame to the finding.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::camera::Camera;
use crate::domain::face::check::{Analysis, FrameNumber, Input, Output};
use crate::domain::face::finding::Finding;
use crate::domain::face::keyframe;
use crate::domain::face::template::Template;
use crate::service::classroom::{self, Sitting};
use crate::service::face::analyse;
use crate::service::{Context, Error};
use crate::shell::foundation::whole;

/// Longest sleep when the machine names no deadline.
const IDLE: Duration = Duration::from_secs(1);

/// What a look came to.
enum Ended {
    Found(Finding),
    Busy,
    /// The rules' time for it is over: they decide without.
    Late,
}

/// Plays a look to its end and hands in what it found.
pub(super) async fn play(
    context: &Context,
    camera: &mut Camera,
    mut sitting: Sitting,
) -> Result<(), Error> {
    let mut frames: BTreeMap<FrameNumber, Bytes> = BTreeMap::new();
    let mut kept = Vec::new();
    let ended = look(context, camera, &mut sitting, &mut frames, &mut kept).await?;
    match ended {
        Ended::Found(finding) => classroom::found(context, &sitting, finding, &kept).await,
        Ended::Busy => classroom::not_looked(context, &sitting).await,
        Ended::Late => Ok(()),
    }
}

async fn look(
    context: &Context,
    camera: &mut Camera,
    sitting: &mut Sitting,
    frames: &mut BTreeMap<FrameNumber, Bytes>,
    kept: &mut Vec<Vec<u8>>,
) -> Result<Ended, Error> {
    let template = sitting.template.clone().map(Arc::new);
    let mut under_way = FuturesUnordered::new();
    let mut last = Bytes::new();
    sitting.check.handle(Input::Start, context.now());
    loop {
        while let Some(output) = sitting.check.poll_output() {
            match output {
                Output::RequestKeyFrame => camera.want_still().await,
                Output::Analyse(number) => {
                    frames.insert(number, last.clone());
                    let (frame, template) = (last.clone(), template.clone());
                    under_way
                        .push(async move { (number, analysed(context, template, frame).await) });
                }
                Output::Forget(number) => drop(frames.remove(&number)),
                Output::Show(message) => classroom::guide(context, sitting, message).await?,
                Output::StoreEvidence(number) => {
                    let frame = frames.remove(&number).unwrap_or_else(|| last.clone());
                    kept.extend(keyframe::wrap(&frame).ok());
                }
                Output::Finish(finding) => return Ok(Ended::Found(finding)),
                Output::Postpone => return Ok(Ended::Busy),
            }
        }
        let now = context.now();
        if now >= sitting.look.until || sitting.check.is_over() {
            return Ok(Ended::Late);
        }
        let wait = wait(sitting.check.next_deadline(), now);
        let input = tokio::select! {
            frame = camera.still() => {
                last = frame;
                Input::KeyFrame
            }
            Some((frame, analysis)) = under_way.next() => Input::Analysed { frame, analysis },
            () = tokio::time::sleep(wait) => Input::Tick,
        };
        sitting.check.handle(input, context.now());
    }
}

pub(super) fn wait(deadline: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Duration {
    let wait = deadline.map(|at| (at - now).to_std().unwrap_or_default());
    wait.unwrap_or(IDLE).min(IDLE)
}

async fn analysed(context: &Context, template: Option<Arc<Template>>, frame: Bytes) -> Analysis {
    let Some(template) = template else {
        return Analysis::Incomparable;
    };
    let looked = context.eyes.look(&*context.workers, move |engine| {
        analyse::key_frame(engine, &template, &frame)
    });
    match looked.await {
        Ok(Ok(analysis)) => analysis,
        Ok(Err(error)) => {
            tracing::warn!(error = whole(&error), "a picture could not be looked at");
            Analysis::Busy
        }
        Err(_) => Analysis::Busy,
    }
}
