//! One client's connection to a room: the room's end of it ([`Line`]) and the client's ([`Stay`]).

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc::{self, OwnedPermit};
use tokio::sync::oneshot;

use super::{Letter, NOTICES_MAX, gone};
use crate::domain::id::ParticipantId;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::media::signal::{LeaveReason, Notice, Request};

static LINE_NUMBERS: AtomicU64 = AtomicU64::new(1);

/// The room's end of a connection; dropping it ends the client's socket.
#[derive(Debug)]
pub struct Line {
    /// Tells this line from an earlier one of the same stay.
    pub number: u64,
    notices: mpsc::Sender<Box<Notice>>,
    ended: oneshot::Sender<LeaveReason>,
}

impl Line {
    /// Tells the client something.
    ///
    /// # Errors
    /// [`LineError::Full`] when the client does not read, [`LineError::Closed`] when it is gone.
    pub fn tell(&self, notice: Notice) -> Result<(), LineError> {
        // Boxed, because a queue keeps room for some thirty of them for each client.
        let sent = self.notices.try_send(Box::new(notice));
        sent.map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => LineError::Full,
            mpsc::error::TrySendError::Closed(_) => LineError::Closed,
        })
    }

    /// Ends the connection for a reason that needs no place in the queue.
    pub fn end(self, reason: LeaveReason) {
        // A client that is gone needs no reason.
        let _ = self.ended.send(reason);
    }
}

/// Why a notice did not go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineError {
    /// The client does not read.
    Full,
    /// The client is gone.
    Closed,
}

/// A line whose client's end was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedLine {
    /// Whose.
    pub participant: ParticipantId,
    /// Which of its lines.
    pub number: u64,
}

/// A client's place in a room. Dropping it tells the room that the signalling is lost; the media
/// may live on and the stay be resumed.
#[derive(Debug)]
pub struct Stay {
    participant: ParticipantId,
    number: u64,
    mail: mpsc::Sender<Letter>,
    notices: mpsc::Receiver<Box<Notice>>,
    ended: Option<oneshot::Receiver<LeaveReason>>,
    farewell: Option<OwnedPermit<EndedLine>>,
}

impl Stay {
    /// Id of the stay.
    pub fn participant(&self) -> ParticipantId {
        self.participant
    }

    /// Asks something of the room; waits while the room's mailbox is full.
    ///
    /// # Errors
    /// `room.gone` when the room has ended.
    pub async fn request(&self, request: Request) -> Result<(), Refusal> {
        let letter = Letter::Request {
            participant: self.participant,
            line: self.number,
            request,
        };
        self.mail.send(letter).await.map_err(|_| gone())
    }

    /// The next notice. The last one is always [`Notice::Left`], also when the room itself broke;
    /// then `None`. Cancelling the wait loses nothing.
    pub async fn notice(&mut self) -> Option<Notice> {
        self.ended.as_ref()?;
        let notice = match self.notices.recv().await {
            Some(notice) => *notice,
            None => self.last_notice(),
        };
        Some(self.noted(notice))
    }

    /// A notice that already waits, if any.
    pub fn waiting_notice(&mut self) -> Option<Notice> {
        self.ended.as_ref()?;
        match self.notices.try_recv() {
            Ok(notice) => Some(self.noted(*notice)),
            Err(_) => None,
        }
    }

    fn noted(&mut self, notice: Notice) -> Notice {
        if matches!(notice, Notice::Left(_)) {
            self.ended = None;
        }
        notice
    }

    fn last_notice(&mut self) -> Notice {
        let reason = self.ended.as_mut().and_then(|ended| ended.try_recv().ok());
        Notice::Left(reason.unwrap_or(LeaveReason::StateMismatch))
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        if let Some(permit) = self.farewell.take() {
            permit.send(EndedLine {
                participant: self.participant,
                number: self.number,
            });
        }
    }
}

/// A line that waits for the room's answer.
pub(super) struct OpenLine {
    number: u64,
    mail: mpsc::Sender<Letter>,
    notices: mpsc::Receiver<Box<Notice>>,
    ended: oneshot::Receiver<LeaveReason>,
    farewell: OwnedPermit<EndedLine>,
}

impl OpenLine {
    pub(super) fn stay(self, participant: ParticipantId) -> Stay {
        Stay {
            participant,
            number: self.number,
            mail: self.mail,
            notices: self.notices,
            ended: Some(self.ended),
            farewell: Some(self.farewell),
        }
    }
}

/// Both ends of a new line; its farewell has a place reserved, so it cannot be lost.
pub(super) fn open(
    ended: &mpsc::Sender<EndedLine>,
    mail: mpsc::Sender<Letter>,
) -> Result<(Line, OpenLine), Refusal> {
    let farewell = match ended.clone().try_reserve_owned() {
        Ok(permit) => permit,
        Err(mpsc::error::TrySendError::Full(_)) => return Err(full()),
        Err(mpsc::error::TrySendError::Closed(_)) => return Err(gone()),
    };
    let number = LINE_NUMBERS.fetch_add(1, Ordering::Relaxed);
    let (notice_sender, notices) = mpsc::channel(NOTICES_MAX);
    let (end_sender, end) = oneshot::channel();
    let line = Line {
        number,
        notices: notice_sender,
        ended: end_sender,
    };
    let open = OpenLine {
        number,
        mail,
        notices,
        ended: end,
        farewell,
    };
    Ok((line, open))
}

fn full() -> Refusal {
    Refusal::new(
        RefusalKind::Limited,
        "room.full",
        "该房间人数已达上限。",
        "The room is full.",
    )
}
