//! One client's signalling socket, from its first frame to its farewell.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use livekit_protocol as proto;
use prost::Message as _;
use proto::signal_response::Message as Answer;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::LivekitState;
use super::allowance::Allowance;
use super::data::readdress;
use super::entry::{Entry, Purpose};
use super::inbound::{self, Inbound, Simulation};
use super::outbound::{self, outbound};
use super::renewal::Renewal;
use super::socket::{Error, Message, Socket};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::hub::rooms::Stay;
use crate::media::signal::{Admission, LeaveReason, Notice, Request};
use crate::service::call::IceServer;

/// A client that takes nothing for so long is cut off.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is looked whether the client is silent or needs a new token.
const TIME_CHECK: Duration = Duration::from_secs(5);
/// Clients ping every 5 s; one that was silent for so long has lost its socket.
const SILENCE_MAX: TimeDelta = TimeDelta::seconds(30);
/// Notices that go out in one write.
const BATCH_MAX: usize = 64;
/// Participants in one message: of a large room, many small messages keep buffers small.
const VIEWS_MAX: usize = 16;

/// A client that was let in.
pub struct Guest {
    /// What serves it.
    pub state: LivekitState,
    /// Who it is.
    pub admission: Admission,
    /// What it came with.
    pub entry: Entry,
    /// What it is to be sent before its token expires.
    pub renewal: Renewal,
}

/// Carries a guest's messages until one side ends it.
///
/// There are as many of these tasks as clients, and each keeps room for its largest future. So
/// what it begins with is boxed, and so is everything that is awaited only now and then.
pub async fn run(socket: Socket, guest: Box<Guest>) {
    if let Some((session, first)) = Box::pin(begin(socket, guest)).await {
        session.run(first).await;
    }
}

/// Enters the room; `None` when the client was turned away. What it brought along waits.
async fn begin(mut socket: Socket, guest: Box<Guest>) -> Option<(Box<Session>, Vec<Inbound>)> {
    let Guest {
        state,
        admission,
        entry,
        renewal,
    } = *guest;
    let identity = admission.identity.clone();
    let stay = match enter(&state, admission, entry.purpose).await {
        Ok(stay) => stay,
        Err(farewell) => {
            let _ = write(&mut socket, vec![encode(Answer::Leave(farewell), false)]).await;
            let _ = timeout(WRITE_TIMEOUT, socket.close()).await;
            return None;
        }
    };
    let now = state.clock.now();
    let session = Session {
        socket,
        stay,
        identity,
        renewal,
        allowance: Allowance::new(now),
        heard_at: now,
        text: false,
        has_warned: false,
        state,
    };
    Some((Box::new(session), entry.first))
}

async fn enter(
    state: &LivekitState,
    admission: Admission,
    purpose: Purpose,
) -> Result<Stay, proto::LeaveRequest> {
    match purpose {
        Purpose::Join => state
            .rooms
            .join(admission)
            .await
            .map_err(|refusal| turned_away(&refusal)),
        Purpose::Resume(Some(participant)) => {
            let resumed = state
                .rooms
                .resume(&admission.room, participant, &admission.identity);
            resumed
                .await
                .map_err(|_| outbound::leave(LeaveReason::StateMismatch))
        }
        Purpose::Resume(None) => Err(outbound::leave(LeaveReason::StateMismatch)),
    }
}

fn turned_away(refusal: &Refusal) -> proto::LeaveRequest {
    use proto::leave_request::Action;
    let action = match refusal.kind {
        RefusalKind::Unavailable | RefusalKind::NotFound => Action::Reconnect,
        RefusalKind::Invalid
        | RefusalKind::Unauthenticated
        | RefusalKind::Forbidden
        | RefusalKind::Conflict
        | RefusalKind::Limited => Action::Disconnect,
    };
    proto::LeaveRequest {
        can_reconnect: action == Action::Reconnect,
        reason: proto::DisconnectReason::JoinFailure.into(),
        action: action.into(),
        regions: None,
    }
}

struct Session {
    socket: Socket,
    stay: Stay,
    identity: String,
    renewal: Renewal,
    allowance: Allowance,
    heard_at: DateTime<Utc>,
    /// The client speaks JSON.
    text: bool,
    /// The log says that it asks for what is not played.
    has_warned: bool,
    state: LivekitState,
}

/// Why a session goes no further.
enum End {
    /// The farewell is said; the socket is closed in good order.
    Said,
    /// The farewell still has to be said.
    Leave(Box<proto::LeaveRequest>),
    /// Nobody is there to hear one.
    SocketLost,
}

impl Session {
    async fn run(mut self: Box<Self>, first: Vec<Inbound>) {
        let end = match self.converse(first).await {
            Err(end) => end,
            Ok(never) => match never {},
        };
        match end {
            End::Said => {}
            End::Leave(farewell) => {
                let farewell = encode(Answer::Leave(*farewell), self.text);
                let _ = Box::pin(write(&mut self.socket, vec![farewell])).await;
                // Whoever is sent away is gone, and does not linger until its media ends.
                let _ = Box::pin(self.stay.request(Request::Leave)).await;
            }
            End::SocketLost => return,
        }
        let _ = timeout(WRITE_TIMEOUT, self.socket.close()).await;
    }

    async fn converse(&mut self, first: Vec<Inbound>) -> Result<std::convert::Infallible, End> {
        // Clients hear nothing before the welcome, so what they brought along waits for it.
        let welcome = self.stay.notice().await;
        Box::pin(self.tell(welcome)).await?;
        for message in first {
            Box::pin(self.handle(message)).await?;
        }
        let mut time = time_check();
        loop {
            tokio::select! {
                notice = self.stay.notice() => Box::pin(self.tell(notice)).await?,
                frame = self.socket.receive() => Box::pin(self.hear(frame)).await?,
                _ = time.tick() => Box::pin(self.check_time()).await?,
            }
        }
    }

    /// Writes a notice and those that wait behind it.
    async fn tell(&mut self, notice: Option<Notice>) -> Result<(), End> {
        let mut frames = Vec::new();
        let mut next = notice;
        let (mut over, mut cut) = (next.is_none(), false);
        while let Some(notice) = next {
            over = matches!(notice, Notice::Left(_));
            cut = matches!(notice, Notice::Cut);
            self.renewal.hear(&notice, self.stay.participant());
            if let Notice::OwnData {
                own,
                channel,
                is_anonymous,
                payload,
            } = notice
            {
                let sender = (!is_anonymous).then_some(self.identity.as_str());
                let participant = self.stay.participant();
                if let Some(request) = readdress(own, channel, &payload, participant, sender) {
                    self.ask(request).await?;
                }
            } else if let Notice::Participants(views) = notice {
                let slices = views.chunks(VIEWS_MAX).map(outbound::update);
                frames.extend(slices.map(|update| encode(update, self.text)));
            } else if let Some(answer) = outbound(notice, || self.ice_servers()) {
                frames.push(encode(answer, self.text));
            }
            let more = !over && !cut && frames.len() < BATCH_MAX;
            next = if more {
                self.stay.waiting_notice()
            } else {
                None
            };
        }
        if !over {
            frames.extend(self.renewed_token());
        }
        write(&mut self.socket, frames).await?;
        match (over, cut) {
            (true, _) => Err(End::Said),
            (false, true) => Err(End::SocketLost),
            (false, false) => Ok(()),
        }
    }

    /// A new token, if one is due.
    fn renewed_token(&mut self) -> Option<Message> {
        let view = self.renewal.take_due(self.state.clock.now())?;
        let token = self.state.call.renew(self.renewal.credential(), &view);
        // Who cannot be sent one has the one it came with.
        let token = token.ok()?;
        Some(encode(Answer::RefreshToken(token), self.text))
    }

    fn ice_servers(&self) -> Vec<IceServer> {
        self.state.call.ice_servers(&self.identity)
    }

    async fn hear(&mut self, frame: Option<Result<Message, Error>>) -> Result<(), End> {
        let now = self.state.clock.now();
        self.heard_at = now;
        let message = match frame {
            Some(Ok(message)) => message,
            // A frame that was refused for its length leaves the way out open.
            Some(Err(Error::Capacity(_))) => return Err(misbehaved()),
            Some(Err(_)) | None => return Err(End::SocketLost),
        };
        let heard = match &message {
            Message::Binary(bytes) => {
                self.text = false;
                self.count(bytes.len(), now)?;
                inbound::from_binary(bytes)
            }
            Message::Text(text) => {
                self.text = true;
                self.count(text.len(), now)?;
                inbound::from_text(text)
            }
            Message::Ping(_) | Message::Pong(_) => return self.count(0, now),
            Message::Close(_) | Message::Frame(_) => return Err(End::SocketLost),
        };
        self.handle(heard).await
    }

    async fn handle(&mut self, message: Inbound) -> Result<(), End> {
        let now = self.state.clock.now();
        let answer = match message {
            Inbound::Request(request) => return self.ask(request).await,
            Inbound::Ping => outbound::pong(now.timestamp_millis()),
            Inbound::PingRequest { timestamp } => {
                outbound::pong_response(timestamp, now.timestamp_millis())
            }
            Inbound::Unsupported(add) => outbound::unsupported(*add),
            Inbound::Simulate(simulation) => return self.simulate(simulation).await,
            Inbound::Ignored => return Ok(()),
            Inbound::Malformed if self.allowance.take_malformed(now) => return Ok(()),
            Inbound::Malformed => return Err(misbehaved()),
        };
        write(&mut self.socket, vec![encode(answer, self.text)]).await
    }

    /// Plays a mishap to the client, on a server that does.
    async fn simulate(&mut self, simulation: Simulation) -> Result<(), End> {
        match simulation {
            _ if !self.state.simulates => self.warn_of_simulation("only demo mode plays mishaps"),
            Simulation::Room(scenario) => return self.ask(Request::Simulate(scenario)).await,
            Simulation::LostSocket => return Err(End::SocketLost),
            Simulation::Farewell { rejoins } => {
                return Err(End::Leave(Box::new(outbound::simulated_leave(rejoins))));
            }
            Simulation::NotDone => self.warn_of_simulation("this mishap is not played"),
        }
        Ok(())
    }

    /// Once a session, so that nobody fills the log.
    fn warn_of_simulation(&mut self, reason: &'static str) {
        if !std::mem::replace(&mut self.has_warned, true) {
            tracing::warn!(reason, "a client asks for a simulated mishap");
        }
    }

    async fn ask(&mut self, request: Request) -> Result<(), End> {
        // A room that is gone says so by the last notice, which is read next.
        let _ = self.stay.request(request).await;
        Ok(())
    }

    fn count(&mut self, bytes: usize, now: DateTime<Utc>) -> Result<(), End> {
        if self.allowance.take(bytes, now) {
            return Ok(());
        }
        Err(misbehaved())
    }

    async fn check_time(&mut self) -> Result<(), End> {
        if self.state.clock.now() - self.heard_at > SILENCE_MAX {
            return Err(End::SocketLost);
        }
        match self.renewed_token() {
            Some(token) => write(&mut self.socket, vec![token]).await,
            None => Ok(()),
        }
    }
}

fn time_check() -> Interval {
    let mut ticks = interval(TIME_CHECK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn encode(answer: Answer, text: bool) -> Message {
    let response = proto::SignalResponse {
        message: Some(answer),
    };
    if text && let Ok(json) = serde_json::to_string(&response) {
        return Message::text(json);
    }
    Message::binary(response.encode_to_vec())
}

async fn write(socket: &mut Socket, frames: Vec<Message>) -> Result<(), End> {
    match timeout(WRITE_TIMEOUT, socket.send(frames)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(End::SocketLost),
    }
}

fn misbehaved() -> End {
    End::Leave(Box::new(outbound::leave(LeaveReason::Misbehaved)))
}
