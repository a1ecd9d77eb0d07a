//! A VP8 key frame is the payload of a lossy WebP: evidence is the frame that was sent.
//!
//! RFC 6386 section 9.1 has the frame's header, RFC 9649 section 2 the container: `RIFF`, length,
//! `WEBP`, `VP8 `, length, frame, and a byte of padding after an odd one.

/// Largest key frame that is looked at, bytes; a 1280 by 720 picture takes some 100 kB.
pub const FRAME_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Largest picture that is decoded, pixels: 1920 by 1088. A sender can claim 16383 by 16383.
pub const PIXELS_MAX: u32 = 1920 * 1088;
/// Bytes before the frame in the container.
const CONTAINER_BYTES: usize = 20;
/// Bytes of a key frame's header.
const HEADER_BYTES: usize = 10;
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];
/// Width and height have 14 bits; two more ask for scaling, which nobody does.
const SIDE_MASK: u16 = 0x3fff;

/// Width and height of a picture, pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

impl Size {
    /// This size, if a picture of it may be decoded.
    pub fn checked(self) -> Result<Self, BadFrame> {
        let pixels = self.width.checked_mul(self.height);
        match pixels {
            Some(0) => Err(BadFrame::Empty),
            Some(pixels) if pixels <= PIXELS_MAX => Ok(self),
            Some(_) | None => Err(BadFrame::TooLarge {
                width: self.width,
                height: self.height,
            }),
        }
    }
}

/// Why a frame is not looked at; it costs its sender a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// It ends too early.
    #[error("the frame is cut short")]
    Short,
    /// It refers to frames before it.
    #[error("not a key frame")]
    NotKey,
    /// The three bytes after the tag are wrong.
    #[error("no start code")]
    NoStartCode,
    /// No pixels.
    #[error("a picture without pixels")]
    Empty,
    /// More than [`PIXELS_MAX`] or [`FRAME_BYTES_MAX`].
    #[error("a picture of {width} by {height} is too large")]
    TooLarge {
        /// As it claims.
        width: u32,
        /// As it claims.
        height: u32,
    },
    /// The container is not that of a lossy WebP with nothing else in it.
    #[error("not a lossy WebP of one frame")]
    NotWebp,
    /// What follows the header cannot be decoded.
    #[error("the picture is damaged")]
    Damaged,
}

/// Checks a key frame's header without decoding it.
pub fn check(frame: &[u8]) -> Result<Size, BadFrame> {
    let header = frame.get(..HEADER_BYTES).ok_or(BadFrame::Short)?;
    if header[0] & 1 != 0 {
        return Err(BadFrame::NotKey);
    }
    if header[3..6] != START_CODE {
        return Err(BadFrame::NoStartCode);
    }
    let side = |low: usize| u16::from_le_bytes([header[low], header[low + 1]]) & SIDE_MASK;
    let size = Size {
        width: u32::from(side(6)),
        height: u32::from(side(8)),
    };
    size.checked()?;
    if frame.len() > FRAME_BYTES_MAX {
        return Err(BadFrame::TooLarge {
            width: size.width,
            height: size.height,
        });
    }
    let tag = u32::from_le_bytes([header[0], header[1], header[2], 0]);
    let first_partition = (tag >> 5) as usize;
    match HEADER_BYTES + first_partition <= frame.len() {
        true => Ok(size),
        false => Err(BadFrame::Short),
    }
}

/// The frame as a WebP file, which browsers show as it is.
pub fn wrap(frame: &[u8]) -> Result<Vec<u8>, BadFrame> {
    check(frame)?;
    let padding = frame.len() % 2;
    // The check bounds the length far below 32 bits.
    let frame_bytes = frame.len() as u32;
    let riff_bytes = (CONTAINER_BYTES - 8 + frame.len() + padding) as u32;
    let mut webp = Vec::with_capacity(CONTAINER_BYTES + frame.len() + padding);
    webp.extend_from_slice(b"RIFF");
    webp.extend_from_slice(&riff_bytes.to_le_bytes());
    webp.extend_from_slice(b"WEBPVP8 ");
    webp.extend_from_slice(&frame_bytes.to_le_bytes());
    webp.extend_from_slice(frame);
    webp.resize(webp.len() + padding, 0);
    Ok(webp)
}

/// The frame in a WebP file that [`wrap`] made, checked.
pub fn unwrap(webp: &[u8]) -> Result<&[u8], BadFrame> {
    let head = webp.get(..CONTAINER_BYTES).ok_or(BadFrame::Short)?;
    if &head[..4] != b"RIFF" || &head[8..16] != b"WEBPVP8 " {
        return Err(BadFrame::NotWebp);
    }
    let length =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (riff_bytes, frame_bytes) = (length(4) as usize, length(16) as usize);
    let rest = &webp[CONTAINER_BYTES..];
    let frame = rest.get(..frame_bytes).ok_or(BadFrame::Short)?;
    let whole = CONTAINER_BYTES - 8 + frame_bytes + frame_bytes % 2;
    if riff_bytes != whole || webp.len() != whole + 8 {
        return Err(BadFrame::NotWebp);
    }
    check(frame)?;
    Ok(frame)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame with a right header and nothing behind it that could be decoded.
    pub(crate) fn header(width: u16, height: u16, rest: usize) -> Vec<u8> {
        let mut frame = vec![0x10, 0, 0];
        frame.extend_from_slice(&START_CODE);
        frame.extend_from_slice(&width.to_le_bytes());
        frame.extend_from_slice(&height.to_le_bytes());
        frame.resize(HEADER_BYTES + rest, 0x55);
        frame
    }

    #[test]
    fn a_frame_is_refused_by_its_header_alone() {
        let changed = |at: usize, byte: u8| {
            let mut frame = header(640, 480, 20);
            frame[at] = byte;
            frame
        };
        let large = |width, height| BadFrame::TooLarge { width, height };
        let table = [
            (header(640, 480, 20), Ok((640, 480))),
            (header(1920, 1088, 20), Ok((1920, 1088))),
            (header(16_383, 16_383, 20), Err(large(16_383, 16_383))),
            (header(1921, 1088, 20), Err(large(1921, 1088))),
            (header(0, 480, 20), Err(BadFrame::Empty)),
            (header(640, 480, 20)[..9].to_vec(), Err(BadFrame::Short)),
            (changed(0, 0x11), Err(BadFrame::NotKey)),
            (changed(3, 0x9c), Err(BadFrame::NoStartCode)),
            (changed(2, 0xff), Err(BadFrame::Short)),
            (header(640, 480, FRAME_BYTES_MAX), Err(large(640, 480))),
        ];
        for (frame, wanted) in table {
            let found = check(&frame).map(|size| (size.width, size.height));
            assert_eq!(found, wanted);
            assert_eq!(wrap(&frame).is_ok(), wanted.is_ok());
        }
    }

    #[test]
    fn scaling_bits_are_not_taken_for_size() {
        let found = check(&header(640 | 0x4000, 480 | 0x8000, 20)).expect("a key frame");
        assert_eq!((found.width, found.height), (640, 480));
    }

    proptest! {
        #[test]
        fn what_is_wrapped_is_unwrapped_to_the_same_bytes(
            width in 1_u16..1000, height in 1_u16..1000, rest in 0_usize..300,
        ) {
            let frame = header(width, height, rest);
            let Ok(webp) = wrap(&frame) else {
                return Ok(());
            };
            prop_assert_eq!(webp.len() % 2, 0);
            prop_assert_eq!(unwrap(&webp), Ok(frame.as_slice()));
            for cut in 0..webp.len() {
                prop_assert!(unwrap(&webp[..cut]).is_err());
            }
        }

        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (check(&bytes), unwrap(&bytes), wrap(&bytes));
        }
    }
}
