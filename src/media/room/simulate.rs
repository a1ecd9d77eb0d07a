//! Mishaps played on request, for those who write clients.

use chrono::TimeDelta;

use super::Room;
use super::machine::Timer;
use crate::domain::id::ParticipantId;
use crate::media::signal::{LeaveReason, Notice, Scenario, Speaker};

/// Longest speech that is played.
const SPEECH_SECONDS_MAX: u32 = 60;
/// How loud it is, 0 to 1.
const SPEECH_LEVEL: f32 = 0.9;
/// A client resumes within this, if its resume is to be cut off.
const CUT_WITHIN: TimeDelta = TimeDelta::seconds(5);

impl Room {
    pub(super) fn simulate(&mut self, participant: ParticipantId, scenario: Scenario) {
        match scenario {
            Scenario::Speech { seconds } => {
                let seconds = seconds.min(SPEECH_SECONDS_MAX);
                let end = self.now + TimeDelta::seconds(seconds.into());
                self.tell_of_speech(participant, true);
                self.timers.arm(Timer::Speech(participant), end);
            }
            Scenario::Vanish => {
                self.tell(participant, Notice::Cut);
                if let Some(member) = self.members.get_mut(&participant) {
                    member.signal = false;
                }
                self.leave(participant, LeaveReason::ConnectionLost);
            }
            Scenario::CutOnResume { silently } => {
                if let Some(member) = self.members.get_mut(&participant) {
                    member.cut_on_resume = Some((self.now + CUT_WITHIN, silently));
                }
            }
        }
    }

    /// A simulated speech begins or is over.
    pub(super) fn tell_of_speech(&mut self, participant: ParticipantId, active: bool) {
        let speaker = Speaker {
            participant,
            level: if active { SPEECH_LEVEL } else { 0.0 },
            active,
        };
        let observers = self.observers_of(participant);
        for receiver in observers.into_iter().chain([participant]) {
            self.tell(receiver, Notice::Speakers(vec![speaker]));
        }
    }
}
