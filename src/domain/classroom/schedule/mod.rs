//! When a learner is checked: drawn from a seed that was committed before and is revealed after.
//!
//! Draw `i` is HMAC-SHA256(seed, `i` as big-endian u64), read as a fraction of 2^256. The leading
//! 53 bits are kept, which an f64 holds exactly: a draw is the true fraction rounded down by less
//! than 2^-53. Draws 0, 1, 2, ... make the gaps; other uses count from their own bases
//! ([`DrawUse`]), so that no draw serves twice. Times are whole milliseconds, rounded down.

pub mod law;

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::check::{CheckKind, Gesture};
use super::policy::{ClassroomPolicy, PolicyFigures};
use crate::domain::entropy::Entropy;
use crate::domain::fact::hex;

/// 32 secret bytes of one attendance; secret until the attendance closes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Seed([u8; 32]);

/// What a draw is for: the top byte of its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum DrawUse {
    /// Gaps between scheduled checks.
    Gap = 0,
    /// Step 0: which of two neighbouring checks asks for an answer or an act. Step 1: which of
    /// the two it asks for.
    Kind = 1,
    /// Where in the last share of the lesson the closing check falls.
    Closing = 2,
    /// Delay of the check after a failed one.
    Ladder = 3,
    /// Delay after what stopped everybody, so that not all are asked at once. Step 0: a break, by
    /// its number. Step 1: a check that the server could not finish, by its number.
    Spread = 4,
    /// Which question of the bank.
    Question = 5,
    /// Order of a question's options.
    Shuffle = 6,
    /// Nonce of a prompt.
    Nonce = 7,
    /// The act that a try asks for.
    Gesture = 8,
}

/// The try whose nonce a silent look has: no prompt counts so far.
pub const SILENT_TRY: u32 = u16::MAX as u32;

/// Drawing again ends here; a fifth of the draws or more is kept, so this is never reached.
const REDRAWS_MAX: u32 = 512;

impl Seed {
    /// A fresh seed.
    pub fn new(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// A seed of known bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// 64 lower-case hexadecimal digits; only for the fact that reveals it and for safe keeping.
    pub fn reveal(&self) -> String {
        hex(&self.0)
    }

    /// Reads what [`Seed::reveal`] wrote; anything else is `None`.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// SHA-256 of the seed in hexadecimal: what the ledger holds before the first check.
    pub fn commitment(&self) -> String {
        hex(&Sha256::digest(self.0))
    }

    /// The draw of an index, in `[0, 1)`.
    pub fn draw(&self, index: u64) -> f64 {
        let mac = self.mac(index);
        let mut head = [0; 8];
        head.copy_from_slice(&mac[..8]);
        let bits = u64::from_be_bytes(head) >> 11;
        bits as f64 / (1_u64 << 53) as f64
    }

    /// The draw of a use, by the number of the thing and a step inside it.
    pub fn draw_for(&self, usage: DrawUse, ordinal: u32, step: u16) -> f64 {
        self.draw(index_of(usage, ordinal, step))
    }

    /// The nonce of a prompt's attempt: 32 hexadecimal digits, unknown until the seed is.
    pub fn nonce(&self, check_number: u32, attempt: u32) -> String {
        let step = u16::try_from(attempt).unwrap_or(u16::MAX);
        hex(&self.mac(index_of(DrawUse::Nonce, check_number, step))[..16])
    }

    fn mac(&self, index: u64) -> [u8; 32] {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length");
        mac.update(&index.to_be_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(secret)")
    }
}

impl TryFrom<String> for Seed {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::from_hex(&text).ok_or("a seed has 64 hexadecimal digits")
    }
}

impl From<Seed> for String {
    fn from(seed: Seed) -> Self {
        seed.reveal()
    }
}

/// SHA-256 of a nonce in hexadecimal: what facts keep of it.
pub fn nonce_hash(nonce: &str) -> String {
    hex(&Sha256::digest(nonce.as_bytes()))
}

/// A scheduled check before any displacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawCheck {
    /// 0 for the first.
    pub ordinal: u32,
    /// The gap before it.
    pub gap_ms: u64,
    /// When it falls due, on the learner's counted milliseconds.
    pub due_clock_ms: u64,
    /// What it asks, before any exemption.
    pub kind: CheckKind,
    /// Index of the draw that was kept.
    pub draw: u64,
}

/// The endless list of raw checks of one seed.
#[derive(Clone, Debug)]
pub struct RawSchedule<'a> {
    seed: &'a Seed,
    figures: &'a PolicyFigures,
    next_draw: u64,
    next_ordinal: u32,
    clock_ms: u64,
}

impl<'a> RawSchedule<'a> {
    /// From the first check on.
    pub fn new(seed: &'a Seed, policy: &'a ClassroomPolicy) -> Self {
        Self {
            seed,
            figures: policy.figures(),
            next_draw: 0,
            next_ordinal: 0,
            clock_ms: 0,
        }
    }

    fn gap(&mut self) -> u64 {
        let figures = self.figures;
        if self.next_ordinal == 0 {
            let (from, to) = (figures.first_check_from_s, figures.first_check_to_s);
            let unit = self.take();
            return between_ms(unit, from, to);
        }
        let (min_ms, max_ms) = (millis(figures.gap_min_s), millis(figures.gap_max_s));
        for _ in 0..REDRAWS_MAX {
            let unit = self.take();
            let tail = -(1.0 - unit).ln() * millis(figures.gap_scale_s) as f64;
            let gap_ms = min_ms.saturating_add(tail as u64);
            if gap_ms <= max_ms {
                return gap_ms;
            }
        }
        max_ms
    }

    fn take(&mut self) -> f64 {
        let unit = self.seed.draw(self.next_draw);
        self.next_draw += 1;
        unit
    }
}

impl Iterator for RawSchedule<'_> {
    type Item = RawCheck;

    fn next(&mut self) -> Option<RawCheck> {
        let ordinal = self.next_ordinal;
        let gap_ms = self.gap();
        self.clock_ms = self.clock_ms.checked_add(gap_ms)?;
        self.next_ordinal = ordinal.checked_add(1)?;
        Some(RawCheck {
            ordinal,
            gap_ms,
            due_clock_ms: self.clock_ms,
            kind: kind_of(self.seed, self.figures, ordinal),
            draw: self.next_draw - 1,
        })
    }
}

/// The raw check of a number: `recompute(seed, policy, n)` is what anybody may do with the seed.
pub fn recompute(seed: &Seed, policy: &ClassroomPolicy, ordinal: u32) -> Option<RawCheck> {
    let index = usize::try_from(ordinal).ok()?;
    RawSchedule::new(seed, policy).nth(index)
}

/// Delay of the check that follows a failed one, in milliseconds.
pub fn ladder_delay_ms(seed: &Seed, policy: &ClassroomPolicy, check_number: u32) -> u64 {
    let figures = policy.figures();
    let unit = seed.draw_for(DrawUse::Ladder, check_number, 0);
    between_ms(unit, figures.ladder_from_s, figures.ladder_to_s)
}

/// This learner's share of the spread after the n-th break, in milliseconds.
pub fn spread_delay_ms(seed: &Seed, policy: &ClassroomPolicy, break_number: u32) -> u64 {
    let unit = seed.draw_for(DrawUse::Spread, break_number, 0);
    between_ms(unit, 0, policy.figures().spread_s)
}

/// Delay of the check that follows one the server could not finish, in milliseconds.
pub fn retry_delay_ms(seed: &Seed, policy: &ClassroomPolicy, check_number: u32) -> u64 {
    let unit = seed.draw_for(DrawUse::Spread, check_number, 1);
    between_ms(unit, 0, policy.figures().spread_s)
}

/// The act that a try of an action check asks for.
pub fn gesture_of(seed: &Seed, check_number: u32, attempt: u32) -> Gesture {
    let step = u16::try_from(attempt).unwrap_or(u16::MAX);
    let unit = seed.draw_for(DrawUse::Gesture, check_number, step);
    let gestures = [Gesture::TurnLeft, Gesture::TurnRight, Gesture::OpenMouth];
    gestures[((unit * 3.0) as usize).min(2)]
}

/// The closing check's place in a lesson of that length: milliseconds after its start, inside the
/// last share and early enough for its prompt to end in time where the share is long enough.
pub fn closing_offset_ms(seed: &Seed, policy: &ClassroomPolicy, lesson_ms: u64) -> u64 {
    let figures = policy.figures();
    let share_ms = lesson_ms.saturating_mul(u64::from(figures.last_share_percent)) / 100;
    let room_ms = share_ms.saturating_sub(millis(figures.prompt_s));
    let unit = seed.draw_for(DrawUse::Closing, 0, 0);
    lesson_ms - share_ms + (unit * room_ms as f64) as u64
}

// Of each two neighbouring checks one asks for an answer or an act, so whoever does nothing is
// found by the second check, and the other one looks or asks for a tap.
fn kind_of(seed: &Seed, figures: &PolicyFigures, ordinal: u32) -> CheckKind {
    let asking_first = seed.draw_for(DrawUse::Kind, ordinal / 2, 0) < 0.5;
    let asks = asking_first == ordinal.is_multiple_of(2);
    match (figures.face_checks, asks) {
        (false, true) => CheckKind::Question,
        (false, false) => CheckKind::Presence,
        (true, false) => CheckKind::Face,
        (true, true) => {
            let share = f64::from(figures.action_percent) / 100.0;
            if seed.draw_for(DrawUse::Kind, ordinal, 1) < share {
                CheckKind::Action
            } else {
                CheckKind::Question
            }
        }
    }
}

fn index_of(usage: DrawUse, ordinal: u32, step: u16) -> u64 {
    (u64::from(usage as u8) << 56) | (u64::from(ordinal) << 16) | u64::from(step)
}

fn between_ms(unit: f64, from_s: u32, to_s: u32) -> u64 {
    let width_ms = millis(to_s.saturating_sub(from_s));
    millis(from_s) + (unit * width_ms as f64) as u64
}

fn millis(seconds: u32) -> u64 {
    u64::from(seconds) * 1_000
}

#[cfg(test)]
mod tests;
