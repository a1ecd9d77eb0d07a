//! A perceptual hash: tells a picture that stands still from a camera.

use serde::{Deserialize, Serialize};

/// Rows of the grid, and differences in each.
pub const SIDE: usize = 16;
/// Cells in a row of the grid: one more than differences.
pub const COLUMNS: usize = SIDE + 1;
/// Differing bits up to which two pictures of different times are the same, of 256.
pub const STILL_DISTANCE_MAX: u32 = 4;

/// Which of two neighbouring cells is brighter, for 16 by 16 pairs: 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureHash(pub [u8; SIDE * SIDE / 8]);

impl std::fmt::Debug for PictureHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PictureHash(..)")
    }
}

impl PictureHash {
    /// The hash of a picture shrunk to this grid of luminances.
    pub fn of(grid: &[[u8; COLUMNS]; SIDE]) -> Self {
        let mut bytes = [0; SIDE * SIDE / 8];
        let pairs = grid.iter().flat_map(|row| row.windows(2));
        for (index, pair) in pairs.enumerate() {
            if pair[1] > pair[0] {
                bytes[index / 8] |= 0x80 >> (index % 8);
            }
        }
        Self(bytes)
    }

    /// Bits that differ, 0 to 256.
    pub fn distance(&self, other: &PictureHash) -> u32 {
        let pairs = self.0.iter().zip(other.0);
        pairs.map(|(one, two)| (one ^ two).count_ones()).sum()
    }

    /// Whether this is a picture that was there before.
    pub fn is_among(&self, earlier: &[PictureHash]) -> bool {
        earlier
            .iter()
            .any(|other| self.distance(other) <= STILL_DISTANCE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn four_bits_apart_is_still_and_five_are_not() {
        let none = PictureHash([0; 32]);
        let mut bytes = [0; 32];
        bytes[3] = 0b0000_1111;
        assert!(PictureHash(bytes).is_among(&[none]));
        bytes[9] = 1;
        assert!(!PictureHash(bytes).is_among(&[none]));
        assert!(!none.is_among(&[]));
    }

    #[test]
    fn a_rising_row_sets_its_bits() {
        let mut grid = [[0; COLUMNS]; SIDE];
        for (column, cell) in grid[1].iter_mut().enumerate() {
            *cell = column as u8;
        }
        let mut wanted = [0; 32];
        wanted[2..4].fill(0xff);
        assert_eq!(PictureHash::of(&grid).0, wanted);
    }

    proptest! {
        #[test]
        fn brightness_alone_changes_nothing(
            grid in prop::array::uniform16(prop::array::uniform17(0_u8..200)), more in 0_u8..55,
        ) {
            let brighter = grid.map(|row| row.map(|cell| cell + more));
            prop_assert_eq!(PictureHash::of(&grid), PictureHash::of(&brighter));
        }

        #[test]
        fn distance_is_a_distance(one: [u8; 32], two: [u8; 32], three: [u8; 32]) {
            let (one, two, three) = (PictureHash(one), PictureHash(two), PictureHash(three));
            prop_assert_eq!(one.distance(&one), 0);
            prop_assert_eq!(one.distance(&two), two.distance(&one));
            prop_assert!(one.distance(&three) <= one.distance(&two) + two.distance(&three));
        }
    }
}
