//! Pictures: decoded within limits, shrunk, and set upright.

use std::io::Cursor;

use crate::domain::face::geometry::{FaceBox, Point, Upright};
use crate::domain::face::hash::{COLUMNS, PictureHash, SIDE};
use crate::domain::face::keyframe::{self, BadFrame, Size};

/// Channels of a pixel: red, green, blue.
const CHANNELS: usize = 3;
/// Memory that a decoder may use, bytes: three planes of the largest picture, with room.
const DECODER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A picture in RGB, rows from above.
#[derive(Clone)]
pub struct Picture {
    size: Size,
    rgb: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}x{})", self.size.width, self.size.height)
    }
}

impl Picture {
    /// A picture of these bytes, three for each pixel.
    pub fn new(size: Size, rgb: Vec<u8>) -> Result<Self, BadFrame> {
        size.checked()?;
        let pixels = size.width as usize * size.height as usize;
        match rgb.len() == pixels * CHANNELS {
            true => Ok(Self { size, rgb }),
            false => Err(BadFrame::Damaged),
        }
    }

    /// Decodes a VP8 key frame. Its size is checked before anything is allocated for it.
    pub fn of_key_frame(frame: &[u8]) -> Result<Self, BadFrame> {
        let size = keyframe::check(frame)?;
        let webp = keyframe::wrap(frame)?;
        Self::decode(size, &webp)
    }

    /// Decodes evidence: a key frame in a WebP file.
    pub fn of_webp(webp: &[u8]) -> Result<Self, BadFrame> {
        let size = keyframe::check(keyframe::unwrap(webp)?)?;
        Self::decode(size, webp)
    }

    fn decode(size: Size, webp: &[u8]) -> Result<Self, BadFrame> {
        let mut decoder =
            image_webp::WebPDecoder::new(Cursor::new(webp)).map_err(|_| BadFrame::Damaged)?;
        decoder.set_memory_limit(DECODER_BYTES_MAX);
        let fits = decoder.dimensions() == (size.width, size.height) && !decoder.has_alpha();
        let bytes = size.width as usize * size.height as usize * CHANNELS;
        if !fits || decoder.output_buffer_size() != Some(bytes) {
            return Err(BadFrame::Damaged);
        }
        let mut rgb = vec![0; bytes];
        decoder
            .read_image(&mut rgb)
            .map_err(|_| BadFrame::Damaged)?;
        Self::new(size, rgb)
    }

    /// Its size.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Mean luminance, 0 to 255, of a part: all of it for `None`.
    pub fn luminance(&self, part: Option<&FaceBox>) -> f32 {
        let (width, height) = (self.size.width as f32, self.size.height as f32);
        let within = |value: f32, most: f32| value.clamp(0.0, most) as usize;
        let (left, top, right, bottom) = match part {
            Some(part) => (
                within(part.left, width),
                within(part.top, height),
                within(part.left + part.width, width),
                within(part.top + part.height, height),
            ),
            None => (0, 0, width as usize, height as usize),
        };
        let (mut sum, mut count) = (0_u64, 0_u64);
        // Every second pixel of every second row is enough for a mean.
        for y in (top..bottom).step_by(2) {
            for x in (left..right).step_by(2) {
                sum += u64::from(self.luminance_at(x, y));
                count += 1;
            }
        }
        sum as f32 / count.max(1) as f32
    }

    /// The perceptual hash.
    pub fn hash(&self) -> PictureHash {
        PictureHash::of(&self.grid())
    }

    /// Mean luminances of a grid over the picture.
    pub fn grid(&self) -> [[u8; COLUMNS]; SIDE] {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        let mut grid = [[0; COLUMNS]; SIDE];
        for (row, cells) in grid.iter_mut().enumerate() {
            for (column, cell) in cells.iter_mut().enumerate() {
                let (left, right) = (column * width / COLUMNS, (column + 1) * width / COLUMNS);
                let (top, bottom) = (row * height / SIDE, (row + 1) * height / SIDE);
                let (mut sum, mut count) = (0_u32, 0_u32);
                for y in top..bottom.max(top + 1).min(height) {
                    for x in left..right.max(left + 1).min(width) {
                        sum += u32::from(self.luminance_at(x, y));
                        count += 1;
                    }
                }
                *cell = (sum / count.max(1)) as u8;
            }
        }
        grid
    }

    /// Planes of red, green and blue of `width` by `height`, each pixel looked up at the place
    /// that `back` leads to, smoothly; black beyond the picture.
    pub fn sampled(&self, width: usize, height: usize, back: &Upright) -> Vec<f32> {
        let plane = width * height;
        let mut planes = vec![0.0; CHANNELS * plane];
        for y in 0..height {
            for x in 0..width {
                let place = back.apply(Point::new(x as f32, y as f32));
                let pixel = self.at(place);
                for (channel, value) in pixel.into_iter().enumerate() {
                    planes[channel * plane + y * width + x] = value;
                }
            }
        }
        planes
    }

    fn at(&self, place: Point) -> [f32; CHANNELS] {
        let (left, top) = (place.x.floor(), place.y.floor());
        let inside = left >= 0.0
            && top >= 0.0
            && left + 1.0 < self.size.width as f32
            && top + 1.0 < self.size.height as f32;
        if !inside {
            return [0.0; CHANNELS];
        }
        let (across, down) = (place.x - left, place.y - top);
        let row = self.size.width as usize * CHANNELS;
        let corner = top as usize * row + left as usize * CHANNELS;
        let mut pixel = [0.0; CHANNELS];
        for (channel, value) in pixel.iter_mut().enumerate() {
            let byte = |offset: usize| f32::from(self.rgb[corner + offset + channel]);
            let upper = byte(0) * (1.0 - across) + byte(CHANNELS) * across;
            let lower = byte(row) * (1.0 - across) + byte(row + CHANNELS) * across;
            *value = upper * (1.0 - down) + lower * down;
        }
        pixel
    }

    /// By the weights of ITU-R BT.601.
    fn luminance_at(&self, x: usize, y: usize) -> u8 {
        let at = (y * self.size.width as usize + x) * CHANNELS;
        let channel = |index: usize| u32::from(self.rgb[at + index]);
        ((299 * channel(0) + 587 * channel(1) + 114 * channel(2)) / 1000) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Picture {
        /// The pixel nearest to a place; black beyond the picture.
        pub(in crate::service::face) fn pixel(&self, x: f32, y: f32) -> [u8; CHANNELS] {
            self.at(Point::new(x, y)).map(|value| value as u8)
        }
    }

    #[test]
    fn a_picture_has_three_bytes_for_each_pixel_and_is_not_larger_than_allowed() {
        let size = |width, height| Size { width, height };
        assert!(Picture::new(size(2, 2), vec![0; 12]).is_ok());
        let short = Picture::new(size(2, 2), vec![0; 11]);
        assert_eq!(short.err(), Some(BadFrame::Damaged));
        assert!(Picture::new(size(16_383, 16_383), Vec::new()).is_err());
    }

    #[test]
    fn luminance_is_that_of_the_part_that_was_asked_for() {
        let size = Size {
            width: 8,
            height: 8,
        };
        let rgb = (0..64).flat_map(|at| [if at % 8 < 4 { 0 } else { 200 }; 3]);
        let picture = Picture::new(size, rgb.collect()).expect("a picture");
        let right = FaceBox {
            left: 4.0,
            top: -3.0,
            width: 40.0,
            height: 40.0,
        };
        assert!((picture.luminance(None) - 100.0).abs() < 1.0);
        assert!((picture.luminance(Some(&right)) - 200.0).abs() < 1.0);
    }
}
