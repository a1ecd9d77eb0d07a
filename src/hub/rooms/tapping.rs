//! Tracks that the server itself sees or hears.

use tokio::sync::{mpsc, oneshot};

use super::{Letter, Rooms};
use crate::hub::taps::TapLine;
use crate::media::command::TapWant;
use crate::media::room::{Input, TapWish, TrackSight};
use crate::media::signal::TrackSource;
use crate::media::tap::Tapped;

/// A tapped track, as long as this is kept.
#[derive(Debug)]
pub struct Tapping {
    line: TapLine,
    mail: mpsc::Sender<Letter>,
}

impl Rooms {
    /// Taps a track of somebody in a room; `None` when it is not there now, has no media yet, or
    /// is encrypted for its receivers alone.
    pub async fn tap(
        &self,
        room: &str,
        identity: &str,
        source: TrackSource,
        want: TapWant,
    ) -> Option<Tapping> {
        let mail = self.mailbox(room)?.mail;
        let line = self.inner.taps.open();
        let wish = TapWish {
            tap: line.tap(),
            identity: identity.to_owned(),
            source,
            want,
        };
        let (reply, answer) = oneshot::channel();
        mail.send(Letter::Tap { wish, reply }).await.ok()?;
        let is_tapped = answer.await.ok()?;
        is_tapped.then_some(Tapping { line, mail })
    }
}

impl Rooms {
    /// What the server itself can see of somebody's track now.
    pub async fn sight(&self, room: &str, identity: &str, source: TrackSource) -> TrackSight {
        let Some(mailbox) = self.mailbox(room) else {
            return TrackSight::Absent;
        };
        let (reply, answer) = oneshot::channel();
        let letter = Letter::Sight {
            identity: identity.to_owned(),
            source,
            reply,
        };
        match mailbox.mail.send(letter).await {
            Ok(()) => answer.await.unwrap_or(TrackSight::Absent),
            Err(_) => TrackSight::Absent,
        }
    }
}

impl Tapping {
    /// The next frame; `None` when the track is gone.
    pub async fn next(&mut self) -> Option<Tapped> {
        self.line.next().await
    }

    /// Asks for a still, which [`Tapping::next`] then brings; one that is not brought yet is not
    /// asked for twice. Of a track that is tapped whole a key frame comes soon.
    pub async fn want_still(&self) {
        let tap = self.line.tap();
        // A room that is gone ends the line too.
        let _ = self
            .mail
            .send(Letter::Input(Input::WantStill { tap }))
            .await;
    }
}

impl Drop for Tapping {
    fn drop(&mut self) {
        let tap = self.line.tap();
        // Where the room is too busy to hear it, the taps learn it from the closed line.
        let _ = self.mail.try_send(Letter::Input(Input::Untap { tap }));
    }
}
