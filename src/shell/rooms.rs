//! The task that runs a room: letters, media events and time go in; notices, commands and facts
//! come out.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot};

use crate::domain::entropy::{Clock, Entropy};
use crate::domain::id::{ParticipantId, RoomId, ShardId};
use crate::domain::refusal::Refusal;
use crate::hub::media::{MediaSendError, MediaSenders};
use crate::hub::rooms::{
    EndedLine, FACTS_MAX, Letter, Line, LineError, NamedFact, Rest, Rooms, Routes, Seat, Spawn,
    Ticket, gone,
};
use crate::hub::taps::TapLines;
use crate::media::command::{Command, Event, Fingerprint};
use crate::media::placement::{Placement, Shards, TAPS};
use crate::media::room::{
    Input, LiveIds, Opening, Output, Room, RoomConfig, RoomFact, RoomLimits, SessionOffer,
};
use crate::media::signal::{Admission, LeaveReason, Notice, Request, RoomView};

/// A room that nobody came into for so long ends.
const EMPTY_MAX: Duration = Duration::from_secs(10);
/// The wall clock is looked at this often while a deadline is open, because it may be set.
const DEADLINE_CHECK_MAX: Duration = Duration::from_secs(1);

/// How soon a full queue of a media thread is tried again.
const QUEUE_PAUSE: Duration = Duration::from_millis(1);

/// An order, and the media thread that it is for.
pub type Order = (ShardId, Command);

/// Where the commands of rooms go.
pub trait CommandSink: Send + Sync {
    /// Hands commands over in order, waiting while a media thread's queue is full.
    fn send(&self, orders: Vec<Order>) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

impl CommandSink for MediaSenders {
    /// A data message that finds no place is dropped, like on a congested network; an order about
    /// connections waits for one.
    fn send(&self, orders: Vec<Order>) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            for (shard, command) in orders {
                let Some(thread) = self.of(shard) else {
                    continue;
                };
                if let Command::SendData { .. } = command {
                    let _ = thread.send(command);
                    continue;
                }
                while let Err(MediaSendError::Full) = thread.send(command.clone()) {
                    tokio::time::sleep(QUEUE_PAUSE).await;
                }
            }
        })
    }
}

/// What all rooms of a server stand on.
#[derive(Clone)]
pub struct RoomGround {
    /// The server's clock.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// The media threads, and where clients reach them.
    pub shards: Shards,
    /// Our DTLS certificate's.
    pub fingerprint: Fingerprint,
    /// The way to them.
    pub media: Arc<dyn CommandSink>,
    /// Where the frames of taps go.
    pub taps: TapLines,
}

/// Opens the registry of rooms, and the queue of their facts, which somebody must drain: rooms
/// wait when it is full. `events` are the media threads' news. Call it within the runtime.
pub fn open(
    ground: RoomGround,
    events: mpsc::Receiver<Event>,
) -> (Rooms, mpsc::Receiver<NamedFact>) {
    let routes = Routes::default();
    let (facts, facts_receiver) = mpsc::channel(FACTS_MAX);
    let taps = ground.taps.clone();
    let keeper = Keeper {
        ground,
        routes: routes.clone(),
        live_ids: Arc::default(),
        facts: facts.clone(),
    };
    tokio::spawn(route(events, routes.clone()));
    let clock = Arc::clone(&keeper.ground.clock);
    let rooms = Rooms::new(Box::new(keeper), routes, taps, facts);
    tokio::spawn(end_rested(rooms.clone(), clock));
    (rooms, facts_receiver)
}

/// Ends rooms that rested for their time, for ever.
async fn end_rested(rooms: Rooms, clock: Arc<dyn Clock>) {
    loop {
        tokio::time::sleep(DEADLINE_CHECK_MAX).await;
        rooms.end_rested(clock.now()).await;
    }
}

async fn route(mut events: mpsc::Receiver<Event>, routes: Routes) {
    while let Some(event) = events.recv().await {
        routes.route(event);
    }
}

/// Starts rooms and cleans up after them.
#[derive(Clone)]
struct Keeper {
    ground: RoomGround,
    routes: Routes,
    live_ids: Arc<LiveIds>,
    facts: mpsc::Sender<NamedFact>,
}

impl Spawn for Keeper {
    fn start(&self, seat: Seat) {
        let keeper = self.clone();
        let number = seat.number;
        let desk = Desk::new(&keeper, &seat);
        let (name, begun) = (seat.name.clone(), desk.room.view());
        let room = tokio::spawn(run(desk, seat));
        tokio::spawn(async move {
            if room.await.is_err() {
                tracing::error!(
                    room = number,
                    "a room broke; its participants will come again"
                );
                metrics::counter!("rooms_broken_total").increment(1);
                keeper.tell_closed(name, begun).await;
            }
            keeper.close_leftovers(number).await;
        });
    }
}

impl Keeper {
    /// Ends what a room that broke had on the media threads, mirrors too.
    async fn close_leftovers(&self, room: u64) {
        let shards = self.ground.shards.count();
        let mut orders = Vec::new();
        for left in self.routes.forget_room(room) {
            let everywhere = (0..shards).map(|shard| ShardId(shard as u8));
            let everywhere = everywhere.chain([TAPS]);
            for (shard, source) in
                everywhere.flat_map(|s| left.sources.iter().map(move |of| (s, of)))
            {
                let source = *source;
                orders.push((shard, Command::RemoveSource { source }));
            }
            let transport = left.transport;
            orders.push((left.shard, Command::CloseTransport { transport }));
        }
        self.ground.media.send(orders).await;
    }

    /// Tells of the end of a room that could not tell it itself.
    async fn tell_closed(&self, name: String, room: RoomView) {
        let reason = Some(LeaveReason::StateMismatch);
        // Nobody drains facts any more once the server stops.
        let _ = self
            .facts
            .send((name, RoomFact::Closed { room, reason }))
            .await;
    }
}

/// Runs a room from its first letter until it is empty; what is told of its end is told before the
/// seat is given up, and so before anything is told of a next room of the name.
async fn run(mut desk: Desk, mut seat: Seat) {
    if seat.rested.is_none() {
        desk.facts.push(RoomFact::Opened(desk.room.view()));
        desk.flush().await;
    }
    run_until_empty(&mut desk, &mut seat).await;
    let rest = desk.closed.is_none().then(|| Rest {
        now: desk.now(),
        room: desk.room.view(),
        woken: seat.rested.take(),
        was_visited: desk.was_visited,
    });
    if !seat.rest(rest) {
        desk.facts.push(RoomFact::Closed {
            room: desk.room.view(),
            reason: desk.closed,
        });
        desk.flush().await;
    }
}

async fn run_until_empty(desk: &mut Desk, seat: &mut Seat) {
    loop {
        let pause = desk.pause();
        tokio::select! {
            Some(letter) = seat.mail.recv() => desk.letter(letter),
            Some(ended) = seat.ended.recv() => desk.line_ended(ended),
            event = seat.events.recv() => match event {
                Some(event) => desk.handle(Input::Media(event)),
                // The room is too far behind to be kept.
                None => desk.handle(Input::Close { reason: LeaveReason::StateMismatch }),
            },
            () = tokio::time::sleep(pause) => {
                if desk.room.is_empty() {
                    return;
                }
                desk.look_at_the_clock();
            }
        }
        desk.flush().await;
        if desk.room.is_empty() {
            return;
        }
    }
}

/// A room with its clients' lines.
struct Desk {
    name: String,
    number: u64,
    room: Room,
    clients: BTreeMap<ParticipantId, Client>,
    placement: Placement,
    orders: Vec<Order>,
    facts: Vec<RoomFact>,
    /// Somebody came in.
    was_visited: bool,
    /// The order that ended the room.
    closed: Option<LeaveReason>,
    keeper: Keeper,
}

struct Client {
    identity: String,
    line_number: u64,
    line: Option<Line>,
    session: Option<Session>,
}

/// A client without signalling.
struct Session {
    /// Its place in the registry, which is free when this goes.
    _ticket: Ticket,
    /// Waits for the next notice.
    reply: Option<oneshot::Sender<Notice>>,
}

impl Desk {
    fn new(keeper: &Keeper, seat: &Seat) -> Self {
        let ground = &keeper.ground;
        let now = ground.clock.now();
        let rested = seat.rested.as_ref().map(|rested| &rested.room);
        let mut room = Room::new(RoomConfig {
            id: rested.map_or_else(
                || RoomId::new(now, ground.entropy.as_ref()),
                |rested| rested.room,
            ),
            name: seat.name.clone(),
            created_at: rested.map_or(now, |rested| rested.created_at),
            shards: ground.shards.clone(),
            fingerprint: ground.fingerprint,
            live_ids: Arc::clone(&keeper.live_ids),
            entropy: Arc::clone(&ground.entropy),
            limits: RoomLimits::default(),
        });
        if let Some(metadata) = rested.map(|rested| rested.metadata.clone()) {
            room.handle(now, Input::SetMetadata { metadata });
        }
        if let Some(max) = seat.plan.and_then(|plan| plan.participants_max) {
            room.handle(now, Input::SetParticipantsMax(max));
        }
        Self {
            name: seat.name.clone(),
            number: seat.number,
            room,
            clients: BTreeMap::new(),
            placement: Placement::new(ground.shards.clone()),
            orders: Vec::new(),
            facts: Vec::new(),
            was_visited: false,
            closed: None,
            keeper: keeper.clone(),
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.keeper.ground.clock.now()
    }

    /// How long the room may sleep if nothing comes.
    fn pause(&self) -> Duration {
        if self.room.is_empty() {
            return EMPTY_MAX;
        }
        let until = self
            .room
            .next_deadline()
            .map(|deadline| deadline - self.now());
        let until = until.map(|delta| delta.to_std().unwrap_or(Duration::ZERO));
        until.map_or(DEADLINE_CHECK_MAX, |until| until.min(DEADLINE_CHECK_MAX))
    }

    fn look_at_the_clock(&mut self) {
        let now = self.now();
        if self
            .room
            .next_deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            self.handle(Input::Timeout);
        }
    }

    fn letter(&mut self, letter: Letter) {
        match letter {
            Letter::Join {
                admission,
                line,
                reply,
            } => self.join(admission, line, reply),
            Letter::Resume {
                participant,
                identity,
                line,
                reply,
            } => self.resume(participant, &identity, line, reply),
            Letter::Open {
                admission,
                offer,
                ticket,
                reply,
            } => self.open(admission, offer, ticket, reply),
            Letter::Ask {
                participant,
                request,
                reply,
            } => self.ask(participant, request, reply),
            Letter::Request {
                participant,
                line,
                request,
            } => self.request(participant, line, request),
            Letter::Input(input) => self.handle(input),
            Letter::Tap { wish, reply } => {
                let tap = wish.tap;
                self.handle(Input::Tap(wish));
                // Who asked may have gone; its tap then ends by its closed line.
                let _ = reply.send(self.room.is_tapped(tap));
            }
            Letter::Sight {
                identity,
                source,
                reply,
            } => drop(reply.send(self.room.sight(&identity, source))),
            Letter::Participants(reply) => drop(reply.send(self.room.participants())),
            Letter::View(reply) => drop(reply.send(self.room.view())),
        }
    }

    fn join(
        &mut self,
        admission: Box<Admission>,
        line: Line,
        reply: oneshot::Sender<Result<ParticipantId, Refusal>>,
    ) {
        let participant = ParticipantId::new(self.now(), self.keeper.ground.entropy.as_ref());
        if reply.send(Ok(participant)).is_err() {
            return;
        }
        let client = Client {
            identity: admission.identity.clone(),
            line_number: line.number,
            line: Some(line),
            session: None,
        };
        self.clients.insert(participant, client);
        self.begin_by(&admission);
        self.handle(Input::Join {
            participant,
            admission,
        });
    }

    /// The first to come brings the room's policy along.
    fn begin_by(&mut self, admission: &Admission) {
        if self.room.is_empty()
            && let Some(policy) = admission.policy.clone()
        {
            self.handle(Input::SetPolicy(policy));
        }
    }

    fn open(
        &mut self,
        admission: Box<Admission>,
        offer: SessionOffer,
        ticket: Ticket,
        reply: oneshot::Sender<Notice>,
    ) {
        if reply.is_closed() {
            return;
        }
        let participant = ParticipantId::new(self.now(), self.keeper.ground.entropy.as_ref());
        ticket.seat(participant);
        let client = Client {
            identity: admission.identity.clone(),
            line_number: 0,
            line: None,
            session: Some(Session {
                _ticket: ticket,
                reply: Some(reply),
            }),
        };
        self.clients.insert(participant, client);
        self.begin_by(&admission);
        self.handle(Input::Open(Box::new(Opening {
            participant,
            admission: *admission,
            offer,
        })));
    }

    /// Notices to a client without signalling are answers, and come while its request is handled.
    fn ask(
        &mut self,
        participant: ParticipantId,
        request: Request,
        reply: oneshot::Sender<Notice>,
    ) {
        let client = self.clients.get_mut(&participant);
        if let Some(session) = client.and_then(|client| client.session.as_mut()) {
            session.reply = Some(reply);
            self.handle(Input::Request {
                participant,
                request,
            });
        }
    }

    /// Ids of stays are known to everybody in the room, so the identity must match too.
    fn resume(
        &mut self,
        participant: ParticipantId,
        identity: &str,
        line: Line,
        reply: oneshot::Sender<Result<ParticipantId, Refusal>>,
    ) {
        let client = self.clients.get_mut(&participant);
        let Some(client) = client.filter(|client| client.identity == identity) else {
            drop(reply.send(Err(gone())));
            return;
        };
        if reply.send(Ok(participant)).is_err() {
            return;
        }
        client.line_number = line.number;
        client.line = Some(line);
        self.handle(Input::Resume { participant });
    }

    fn request(&mut self, participant: ParticipantId, line: u64, request: Request) {
        let client = self.clients.get(&participant);
        if client.is_some_and(|client| client.line_number == line) {
            self.handle(Input::Request {
                participant,
                request,
            });
        }
    }

    fn line_ended(&mut self, ended: EndedLine) {
        let participant = ended.participant;
        let client = self.clients.get_mut(&participant);
        if let Some(client) = client.filter(|client| client.line_number == ended.number) {
            client.line = None;
            self.handle(Input::SignalLost { participant });
        }
    }

    /// Takes an input and everything that follows from it.
    fn handle(&mut self, input: Input) {
        if let Input::Close { reason } = &input {
            self.closed = Some(*reason);
        }
        if let Input::Media(Event::TransportClosed { transport, .. }) = &input {
            let orders = &mut self.orders;
            self.placement.closed(*transport, &mut |shard, command| {
                orders.push((shard, command))
            });
        }
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let now = self.now();
            self.room.handle(now, input);
            while let Some(output) = self.room.poll_output() {
                let misbehaved = self.dispatch(output);
                inputs.extend(misbehaved.map(|identity| Input::Remove {
                    identity,
                    reason: LeaveReason::Misbehaved,
                }));
            }
        }
    }

    /// Sends an output on; the identity of a client that does not read is returned.
    fn dispatch(&mut self, output: Output) -> Option<String> {
        match output {
            Output::Notice {
                participant,
                notice,
            } => return self.tell(participant, notice),
            Output::Media(command) => {
                self.keeper.routes.observe(self.number, &command);
                let orders = &mut self.orders;
                self.placement
                    .route(command, &mut |shard, command| orders.push((shard, command)));
            }
            Output::Fact(fact) => {
                if let RoomFact::Left { participant, .. } = &fact {
                    self.clients.remove(participant);
                    self.was_visited = true;
                }
                self.facts.push(fact);
            }
        }
        None
    }

    fn tell(&mut self, participant: ParticipantId, notice: Notice) -> Option<String> {
        let client = self.clients.get_mut(&participant)?;
        if let Some(reply) = client.session.as_mut().and_then(|s| s.reply.take()) {
            // Who hung up meanwhile comes again, or its connection expires.
            let _ = reply.send(notice.clone());
        }
        if let Notice::Left(reason) = notice {
            let client = self.clients.remove(&participant);
            client.and_then(|client| client.line)?.end(reason);
            return None;
        }
        match client.line.as_ref()?.tell(notice) {
            // A closed line says so by itself.
            Ok(()) | Err(LineError::Closed) => None,
            Err(LineError::Full) => {
                client.line.take()?.end(LeaveReason::Misbehaved);
                Some(client.identity.clone())
            }
        }
    }

    async fn flush(&mut self) {
        if !self.orders.is_empty() {
            let orders = std::mem::take(&mut self.orders);
            self.keeper.ground.media.send(orders).await;
        }
        for fact in self.facts.drain(..) {
            // Nobody drains facts any more once the server stops.
            let _ = self.keeper.facts.send((self.name.clone(), fact)).await;
        }
    }
}
