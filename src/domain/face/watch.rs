//! Whether a camera that must show a face shows anything: a still each ten seconds.
//!
//! A single dark picture is somebody's sleeve: it is looked at again two seconds later, and only
//! a second one is believed. So a covered camera is known within [`KNOWN_WITHIN`], and the moment
//! of doubt is the learner's.

use chrono::{DateTime, TimeDelta, Utc};

use super::hash::{COLUMNS, SIDE};

/// Time between two stills of a camera that shows something.
pub const PAUSE: TimeDelta = TimeDelta::seconds(8);
/// Time to the second look at a camera that shows nothing.
pub const AGAIN: TimeDelta = TimeDelta::seconds(2);
/// A still that does not come within this time counts as none.
pub const STILL_WAIT: TimeDelta = TimeDelta::seconds(4);
/// A camera that shows nothing is known as such within this time, whenever that began.
pub const KNOWN_WITHIN: TimeDelta = TimeDelta::seconds(15);
/// Mean luminance, 0 to 255, below which a picture is dark.
pub const DARK_MEAN_MAX: f32 = 16.0;
/// Standard deviation of the cells of a picture, below which there is nothing on it.
pub const FLAT_DEVIATION_MAX: f32 = 3.0;

const _: () = assert!(
    PAUSE.num_seconds() + AGAIN.num_seconds() + STILL_WAIT.num_seconds()
        <= KNOWN_WITHIN.num_seconds()
);

/// What one still shows, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Something.
    Picture,
    /// A covered lens, or darkness.
    Nothing,
    /// The camera is off, or not published.
    Off,
    /// It should send, and nothing arrives.
    Silent,
}

impl Sign {
    /// Of a picture shrunk to a grid of luminances.
    pub fn of(grid: &[[u8; COLUMNS]; SIDE]) -> Self {
        let cells = || grid.iter().flatten().map(|cell| f32::from(*cell));
        let count = (COLUMNS * SIDE) as f32;
        let mean = cells().sum::<f32>() / count;
        let variance = cells().map(|cell| (cell - mean).powi(2)).sum::<f32>() / count;
        match mean < DARK_MEAN_MAX || variance.sqrt() < FLAT_DEVIATION_MAX {
            true => Sign::Nothing,
            false => Sign::Picture,
        }
    }
}

/// The watch over one camera. Tell it what came of every look that [`CameraWatch::wants_look`]
/// asked for.
#[derive(Clone, Copy, Debug)]
pub struct CameraWatch {
    known: Sign,
    /// What the last look showed, when it is not believed yet.
    doubt: Option<Sign>,
    next_look: DateTime<Utc>,
}

impl CameraWatch {
    /// Over a camera that is believed to show something; the first look is due at once.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self {
            known: Sign::Picture,
            doubt: None,
            next_look: now,
        }
    }

    /// When the next look is due.
    pub fn next_look(&self) -> DateTime<Utc> {
        self.next_look
    }

    /// Whether a look is due.
    pub fn wants_look(&self, now: DateTime<Utc>) -> bool {
        now >= self.next_look
    }

    /// What is believed.
    pub fn known(&self) -> Sign {
        self.known
    }

    /// Takes in what a look showed; answers what is believed from now on, if that changed. A
    /// picture is believed at once, what speaks against the learner only the second time.
    pub fn looked(&mut self, sign: Sign, now: DateTime<Utc>) -> Option<Sign> {
        if sign == self.known {
            self.doubt = None;
            self.next_look = now + pause_after(sign);
            return None;
        }
        if sign != Sign::Picture && self.doubt != Some(sign) {
            self.doubt = Some(sign);
            self.next_look = now + AGAIN;
            return None;
        }
        (self.known, self.doubt, self.next_look) = (sign, None, now + pause_after(sign));
        Some(sign)
    }

    /// There was no time for the look: nothing is known of it.
    pub fn skipped(&mut self, now: DateTime<Utc>) {
        self.next_look = now + AGAIN;
    }
}

// Whoever uncovers the camera shall not wait.
fn pause_after(sign: Sign) -> TimeDelta {
    match sign {
        Sign::Picture => PAUSE,
        Sign::Nothing | Sign::Off | Sign::Silent => AGAIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).expect("a time")
    }

    #[test]
    fn one_dark_picture_is_a_sleeve_and_two_are_a_covered_lens() {
        let mut watch = CameraWatch::new(at(0));
        assert_eq!(watch.looked(Sign::Picture, at(0)), None);
        assert_eq!(watch.next_look(), at(8));
        assert_eq!(watch.looked(Sign::Nothing, at(8)), None);
        assert_eq!(watch.looked(Sign::Picture, at(10)), None);
        assert_eq!(watch.looked(Sign::Nothing, at(18)), None);
        assert!(watch.wants_look(at(20)) && !watch.wants_look(at(19)));
        assert_eq!(watch.looked(Sign::Nothing, at(20)), Some(Sign::Nothing));
    }

    #[test]
    fn a_picture_is_believed_at_once() {
        let mut watch = CameraWatch::new(at(0));
        watch.looked(Sign::Off, at(0));
        watch.looked(Sign::Off, at(2));
        assert_eq!(watch.known(), Sign::Off);
        assert_eq!(watch.looked(Sign::Picture, at(4)), Some(Sign::Picture));
        assert_eq!(watch.next_look(), at(12));
    }

    #[test]
    fn signs_that_differ_do_not_confirm_each_other() {
        let mut watch = CameraWatch::new(at(0));
        assert_eq!(watch.looked(Sign::Nothing, at(0)), None);
        assert_eq!(watch.looked(Sign::Silent, at(2)), None);
        assert_eq!(watch.looked(Sign::Silent, at(4)), Some(Sign::Silent));
    }

    #[test]
    fn a_look_without_time_says_nothing() {
        let mut watch = CameraWatch::new(at(0));
        watch.looked(Sign::Nothing, at(0));
        watch.skipped(at(2));
        assert_eq!((watch.known(), watch.next_look()), (Sign::Picture, at(4)));
    }

    #[test]
    fn darkness_and_an_even_surface_are_nothing_and_a_dim_room_is_something() {
        let dark = [[8; COLUMNS]; SIDE];
        let finger = [[90; COLUMNS]; SIDE];
        let mut dim = [[18; COLUMNS]; SIDE];
        for (row, cells) in dim.iter_mut().enumerate() {
            for (column, cell) in cells.iter_mut().enumerate() {
                *cell += ((row * 3 + column) % 12) as u8;
            }
        }
        assert_eq!(Sign::of(&dark), Sign::Nothing);
        assert_eq!(Sign::of(&finger), Sign::Nothing);
        assert_eq!(Sign::of(&dim), Sign::Picture);
    }
}
