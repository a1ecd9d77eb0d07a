//! One person's camera as the server taps it, through reconnections and mutings.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use crate::domain::face::watch::{STILL_WAIT, Sign};
use crate::domain::id::AccountId;
use crate::hub::rooms::{Rooms, Tapping};
use crate::media::command::TapWant;
use crate::media::room::TrackSight;
use crate::media::signal::TrackSource;
use crate::media::tap::Tapped;
use crate::service::Context;
use crate::service::face::picture::Picture;

/// Before a camera that is not there is looked for again.
const SEARCH_PAUSE: Duration = Duration::from_millis(300);

/// See the module.
pub(super) struct Camera {
    rooms: Rooms,
    room: String,
    identity: String,
    tapping: Option<Tapping>,
}

impl Camera {
    pub(super) fn new(rooms: Rooms, room: String, account: AccountId) -> Self {
        Self {
            rooms,
            room,
            identity: account.to_string(),
            tapping: None,
        }
    }

    /// Asks for a still, which [`Camera::still`] then brings.
    pub(super) async fn want_still(&mut self) {
        if self.tapping.is_none() {
            let (room, identity) = (&self.room, &self.identity);
            let source = TrackSource::Camera;
            self.tapping = self
                .rooms
                .tap(room, identity, source, TapWant::Stills)
                .await;
        }
        if let Some(tapping) = &self.tapping {
            tapping.want_still().await;
        }
    }

    /// The next still: a key frame. Waits as long as none comes; drop it at any moment.
    pub(super) async fn still(&mut self) -> Bytes {
        loop {
            let Some(tapping) = &mut self.tapping else {
                tokio::time::sleep(SEARCH_PAUSE).await;
                self.want_still().await;
                continue;
            };
            match tapping.next().await {
                Some(Tapped::Frame { frame, .. }) if frame.is_key => return frame.data,
                Some(Tapped::Frame { .. }) => {}
                Some(Tapped::Ended) | None => self.tapping = None,
            }
        }
    }

    /// What the camera shows now; `None` when nobody had time to look.
    pub(super) async fn sign(&mut self, context: &Context) -> Option<Sign> {
        self.want_still().await;
        let patience = STILL_WAIT.to_std().unwrap_or_default();
        let Ok(frame) = timeout(patience, self.still()).await else {
            let (room, identity) = (&self.room, &self.identity);
            let sight = self.rooms.sight(room, identity, TrackSource::Camera).await;
            return Some(match sight {
                TrackSight::Absent | TrackSight::Muted | TrackSight::Unreadable => Sign::Off,
                TrackSight::Open => Sign::Silent,
            });
        };
        let looked = context.eyes.look(&*context.workers, move |_| {
            let picture = Picture::of_key_frame(&frame).ok();
            picture.map(|picture| Sign::of(&picture.grid()))
        });
        // A frame that cannot be decoded says nothing about whoever sits there.
        looked.await.ok().flatten()
    }
}
