//! Taking the pictures of an enrolment: key frames of the person's own track, until enough of them
//! show one frontal face well.
//!
//! The person is led by the same sentences as in a check. What is taken is not judged here: whether
//! the pictures belong together is [`super::enrolment::averaged`]'s, whose face it is, staff's.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use super::check::{FrameNumber, UNDER_WAY_MAX};
use super::enrolment::{PICTURES_MAX, PICTURES_MIN};
use super::message::Message;
use super::quality::Fault;

/// Time between two requests: neighbouring pictures would be one picture.
pub const REQUEST_PAUSE: TimeDelta = TimeDelta::milliseconds(700);
/// After this time the fewest pictures are enough.
pub const ENOUGH_AFTER: TimeDelta = TimeDelta::seconds(15);
/// After this time it ends without.
pub const GIVE_UP_AFTER: TimeDelta = TimeDelta::seconds(60);

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input {
    /// A whole key frame came.
    KeyFrame,
    /// A picture was looked at.
    Analysed {
        /// Which.
        frame: FrameNumber,
        /// What came of it.
        seen: Seen,
    },
    /// A deadline passed.
    Tick,
}

/// What came of a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen {
    /// One frontal face, as sure as this.
    Face {
        /// The detector's score.
        score: f32,
    },
    /// It cannot be used.
    Fault(Fault),
    /// It could not be decoded, or nobody had time for it.
    Nothing,
}

/// What it wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A key frame.
    RequestKeyFrame,
    /// The key frame that just came, looked at under this number.
    Analyse(FrameNumber),
    /// This picture is not needed.
    Forget(FrameNumber),
    /// Tell the person; `None` takes the sentence away.
    Show(Option<Message>),
    /// So many pictures are good.
    Progress(usize),
    /// These are enough, the best one first.
    Finish(Vec<FrameNumber>),
    /// It did not come to enough.
    GiveUp,
}

/// An enrolment's pictures. One input at a time, then drain [`Capture::poll_output`], then ask
/// [`Capture::next_deadline`].
#[derive(Debug)]
pub struct Capture {
    since: DateTime<Utc>,
    next_request: DateTime<Utc>,
    frames: u32,
    under_way: u32,
    /// Best first.
    good: Vec<(FrameNumber, f32)>,
    shown: Option<Message>,
    over: bool,
    outputs: VecDeque<Output>,
}

impl Capture {
    /// One that begins now.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self {
            since: now,
            next_request: now,
            frames: 0,
            under_way: 0,
            good: Vec::new(),
            shown: None,
            over: false,
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: DateTime<Utc>) {
        if self.over {
            return;
        }
        match input {
            Input::KeyFrame => self.key_frame(),
            Input::Analysed { frame, seen } => self.analysed(frame, seen),
            Input::Tick => {}
        }
        self.advance(now);
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When an [`Input::Tick`] is due.
    pub fn next_deadline(&self) -> Option<DateTime<Utc>> {
        let end = self.since + GIVE_UP_AFTER;
        (!self.over).then(|| self.next_request.min(end))
    }

    /// Whether nothing will come of it any more.
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn key_frame(&mut self) {
        let frame = FrameNumber(self.frames);
        self.frames += 1;
        let wanted = self.under_way < UNDER_WAY_MAX;
        self.under_way += u32::from(wanted);
        self.outputs.push_back(match wanted {
            true => Output::Analyse(frame),
            false => Output::Forget(frame),
        });
    }

    fn analysed(&mut self, frame: FrameNumber, seen: Seen) {
        self.under_way = self.under_way.saturating_sub(1);
        match seen {
            Seen::Face { score } => {
                let place = self.good.partition_point(|(_, other)| *other >= score);
                self.good.insert(place, (frame, score));
                self.outputs.push_back(Output::Progress(self.good.len()));
                self.say(None);
            }
            Seen::Fault(fault) => {
                self.outputs.push_back(Output::Forget(frame));
                self.say(Some(fault.message()));
            }
            Seen::Nothing => self.outputs.push_back(Output::Forget(frame)),
        }
    }

    fn advance(&mut self, now: DateTime<Utc>) {
        let waited = now - self.since;
        let enough = match waited >= ENOUGH_AFTER {
            true => PICTURES_MIN,
            false => PICTURES_MAX,
        };
        if self.good.len() >= enough {
            let taken = self.good.iter().map(|(frame, _)| *frame).collect();
            self.over = true;
            self.outputs.push_back(Output::Finish(taken));
        } else if waited >= GIVE_UP_AFTER {
            self.over = true;
            self.outputs.push_back(Output::GiveUp);
        } else if now >= self.next_request {
            self.next_request = now + REQUEST_PAUSE;
            if self.under_way < UNDER_WAY_MAX {
                self.outputs.push_back(Output::RequestKeyFrame);
            }
        }
    }

    fn say(&mut self, message: Option<Message>) {
        if self.shown != message {
            self.shown = message;
            self.outputs.push_back(Output::Show(message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_800_000_000_000 + milliseconds).expect("a time")
    }

    fn drained(capture: &mut Capture) -> Vec<Output> {
        std::iter::from_fn(|| capture.poll_output()).collect()
    }

    /// Plays a camera that answers every request with what `seen` says of its number.
    fn played(seen: impl Fn(u32) -> Seen) -> (Vec<Output>, i64) {
        let mut capture = Capture::new(at(0));
        let (mut all, mut now) = (Vec::new(), 0);
        while !capture.is_over() {
            capture.handle(Input::Tick, at(now));
            let mut outputs = drained(&mut capture);
            while let Some(output) = outputs.pop() {
                match output {
                    Output::RequestKeyFrame => capture.handle(Input::KeyFrame, at(now)),
                    Output::Analyse(frame) => {
                        let seen = seen(frame.0);
                        capture.handle(Input::Analysed { frame, seen }, at(now));
                    }
                    Output::Forget(_)
                    | Output::Show(_)
                    | Output::Progress(_)
                    | Output::Finish(_)
                    | Output::GiveUp => all.push(output),
                }
                outputs.extend(drained(&mut capture));
            }
            now += 100;
        }
        (all, now)
    }

    #[test]
    fn five_good_pictures_are_taken_some_time_apart_and_the_best_comes_first() {
        let (outputs, lasted) = played(|frame| Seen::Face {
            score: if frame == 2 { 0.99 } else { 0.9 },
        });
        let finished = outputs.iter().find_map(|output| match output {
            Output::Finish(frames) => Some(frames),
            Output::RequestKeyFrame
            | Output::Analyse(_)
            | Output::Forget(_)
            | Output::Show(_)
            | Output::Progress(_)
            | Output::GiveUp => None,
        });
        let frames = finished.expect("it is whole");
        assert_eq!((frames.len(), frames[0]), (5, FrameNumber(2)));
        assert!(lasted >= 4 * 700, "{lasted}");
    }

    #[test]
    fn three_pictures_are_enough_for_whoever_sits_badly() {
        let (outputs, lasted) = played(|frame| match frame % 6 {
            0 => Seen::Face { score: 0.9 },
            _ => Seen::Fault(Fault::TooSmall),
        });
        let finished =
            |output: &Output| matches!(output, Output::Finish(frames) if frames.len() >= 3);
        assert!(outputs.iter().any(finished) && lasted >= 15_000);
        assert!(outputs.contains(&Output::Show(Some(Message::ComeCloser))));
    }

    #[test]
    fn an_empty_chair_ends_it_after_a_minute() {
        let (outputs, lasted) = played(|_| Seen::Fault(Fault::NoFace));
        assert_eq!(outputs.last(), Some(&Output::GiveUp));
        assert!((60_000..61_000).contains(&lasted), "{lasted}");
        let shown = outputs
            .iter()
            .filter(|output| matches!(output, Output::Show(_)));
        assert_eq!(shown.count(), 1, "the same sentence is said once");
    }

    #[test]
    fn no_more_pictures_are_asked_for_than_are_looked_at() {
        let mut capture = Capture::new(at(0));
        let mut asked = 0;
        for now in (0..10_000).step_by(100) {
            capture.handle(Input::Tick, at(now));
            for output in drained(&mut capture) {
                if output == Output::RequestKeyFrame {
                    asked += 1;
                    capture.handle(Input::KeyFrame, at(now));
                }
            }
            drained(&mut capture);
        }
        assert_eq!(asked, UNDER_WAY_MAX);
    }
}
