//! Who speaks: RFC 6464 levels of one source, gathered over a window.

use std::time::Duration;

/// Length of a window.
pub const WINDOW: Duration = Duration::from_millis(400);

/// A packet louder than this counts as active, -dBov.
pub const ACTIVE_DBOV: u8 = 35;

/// Silence, -dBov.
pub const SILENT_DBOV: u8 = 127;

/// Windows without an active packet that are told after the last with one.
pub const AFTER_WINDOWS: u8 = 5;

/// Weight of a new packet in the smoothed level: one click does not make a speaker.
const WEIGHT: f32 = 0.3;

/// Levels of one source since the last window closed.
#[derive(Clone, Copy, Debug)]
pub struct LevelWindow {
    smoothed: f32,
    loudest: f32,
    packets: u32,
    active: u32,
    /// Windows that are still told.
    told: u8,
}

impl Default for LevelWindow {
    fn default() -> Self {
        Self {
            smoothed: f32::from(SILENT_DBOV),
            loudest: f32::from(SILENT_DBOV),
            packets: 0,
            active: 0,
            told: 0,
        }
    }
}

/// What a closed window tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowLevel {
    /// Loudest smoothed level, -dBov.
    pub level_dbov: u8,
    /// Share of active packets, 0 to 1.
    pub active_ratio: f32,
}

impl LevelWindow {
    /// Takes the first byte of a packet's level extension: a flag, and seven bits of level.
    pub fn packet(&mut self, extension: u8) {
        let level = extension & 0x7f;
        self.smoothed += (f32::from(level) - self.smoothed) * WEIGHT;
        self.loudest = self.loudest.min(self.smoothed);
        self.packets += 1;
        self.active += u32::from(level < ACTIVE_DBOV);
    }

    /// Closes the window; tells while the source is active, and for [`AFTER_WINDOWS`] more, in
    /// which whoever smooths it sees it fade.
    pub fn close(&mut self) -> Option<WindowLevel> {
        let level = WindowLevel {
            level_dbov: self.loudest.clamp(0.0, f32::from(SILENT_DBOV)) as u8,
            active_ratio: self.active as f32 / self.packets.max(1) as f32,
        };
        if self.packets == 0 {
            self.smoothed = f32::from(SILENT_DBOV);
        }
        self.loudest = f32::from(SILENT_DBOV);
        self.told = match self.active {
            0 => self.told.saturating_sub(1),
            _ => 1 + AFTER_WINDOWS,
        };
        (self.packets, self.active) = (0, 0);
        (self.told > 0).then_some(level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speaker_is_told_of_each_window_and_some_after_the_end() {
        let mut window = LevelWindow::default();
        assert_eq!(window.close(), None);
        for level in [20, 20, 20, 20, 20, 20, 20, 20, 127, 127] {
            window.packet(0x80 | level);
        }
        let told = window.close().unwrap();
        assert!((20..=30).contains(&told.level_dbov), "{told:?}");
        assert!((told.active_ratio - 0.8).abs() < 0.001);
        for _ in 0..AFTER_WINDOWS {
            let silence = window.close().unwrap();
            assert_eq!(
                (silence.level_dbov, silence.active_ratio),
                (SILENT_DBOV, 0.0)
            );
        }
        assert_eq!(window.close(), None);
    }

    #[test]
    fn one_click_is_not_loud() {
        let mut window = LevelWindow::default();
        for level in [127, 127, 0, 127, 127] {
            window.packet(level);
        }
        assert!(window.close().unwrap().level_dbov > 80);
    }

    #[test]
    fn a_quiet_room_tells_nothing() {
        let mut window = LevelWindow::default();
        for _ in 0..100 {
            window.packet(60);
        }
        assert_eq!(window.close(), None);
    }
}
