//! The pictures of one burst: which can be judged, and what they show together.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{ANSWER_WAIT, BURST_MAX, BURST_MIN, FrameNumber, Look};
use crate::domain::face::action::Rest;
use crate::domain::face::decision::{FRAMES_MAX, FRAMES_MIN, Verdict, decide};
use crate::domain::face::geometry::Face;
use crate::domain::face::quality::{Fault, frontal_face};
use crate::domain::face::template::Similarity;

/// Pictures of some seconds.
#[derive(Debug)]
pub(super) struct Burst {
    since: DateTime<Utc>,
    /// The best by the detector's score, best first; at most [`FRAMES_MAX`].
    good: Vec<Good>,
    faults: BTreeMap<Fault, u32>,
    /// The last picture that could not be judged.
    faulty: Option<FrameNumber>,
    busy: u32,
}

#[derive(Debug)]
struct Good {
    frame: FrameNumber,
    face: Face,
    similarity: Similarity,
}

/// What a burst shows when it is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shown {
    /// Enough pictures to decide.
    Person(Verdict),
    /// Too few, most of them for this reason.
    Fault(Fault),
    /// Too few, because most were not looked at.
    Busy,
    /// Too few came.
    Nothing,
}

impl Burst {
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        Self {
            since: now,
            good: Vec::with_capacity(FRAMES_MAX),
            faults: BTreeMap::new(),
            faulty: None,
            busy: 0,
        }
    }

    /// Takes a picture in; answers what is wrong with it, and which picture is needed no more.
    pub(super) fn seen(
        &mut self,
        frame: FrameNumber,
        look: &Look,
    ) -> (Option<Fault>, Option<FrameNumber>) {
        let face = frontal_face(&look.faces, look.luminance);
        let fault = match (face, look.similarity) {
            (Ok(face), Some(similarity)) => {
                return (None, self.add(frame, face.clone(), similarity));
            }
            (Ok(_), None) => Fault::NotFrontal,
            (Err(fault), _) => fault,
        };
        *self.faults.entry(fault).or_default() += 1;
        (Some(fault), self.faulty.replace(frame))
    }

    fn add(
        &mut self,
        frame: FrameNumber,
        face: Face,
        similarity: Similarity,
    ) -> Option<FrameNumber> {
        let better = |other: &Good| other.face.score >= face.score;
        let place = self.good.partition_point(better);
        let new = Good {
            frame,
            face,
            similarity,
        };
        self.good.insert(place, new);
        match self.good.len() > FRAMES_MAX {
            true => self.good.pop().map(|worst| worst.frame),
            false => None,
        }
    }

    pub(super) fn busy(&mut self) {
        self.busy += 1;
    }

    /// When it ends as things stand.
    pub(super) fn next_end(&self) -> DateTime<Utc> {
        match self.good.len() >= FRAMES_MIN {
            true => self.since + BURST_MIN,
            false => self.since + BURST_MAX,
        }
    }

    pub(super) fn is_over(&self, now: DateTime<Utc>, under_way: u32) -> bool {
        let end = self.next_end();
        let waits = under_way > 0 && now < end + ANSWER_WAIT;
        now >= end && !waits
    }

    /// How the head was held.
    pub(super) fn rest(&self) -> Option<Rest> {
        Rest::of(self.good.iter().map(|good| &good.face))
    }

    /// The picture to keep: the clearest that was compared, else the last that was not.
    pub(super) fn evidence(&self) -> Option<FrameNumber> {
        match self.good.first() {
            Some(good) => Some(good.frame),
            None => self.faulty,
        }
    }

    pub(super) fn shown(&self) -> Shown {
        let similarities: Vec<Similarity> = self.good.iter().map(|good| good.similarity).collect();
        if let Some(verdict) = decide(&similarities) {
            return Shown::Person(verdict);
        }
        // Of equally frequent ones the gravest, which is the first.
        let most = self.faults.iter().rev().max_by_key(|(_, count)| **count);
        match most {
            Some((fault, _)) if self.faults.values().sum::<u32>() >= self.busy => {
                Shown::Fault(*fault)
            }
            Some(_) | None if self.busy > 0 => Shown::Busy,
            Some(_) | None => Shown::Nothing,
        }
    }
}
