//! Fragments of session descriptions that carry ICE alone (RFC 8840 section 9).

use std::fmt::{self, Write as _};

use super::parse::{attribute, bounded, ice_word, mid_of};
use super::write::candidates;
use super::{SECTIONS_MAX, SdpError, Section, SectionKind};
use crate::media::command::IceCredentials;

/// Longest fragment read, bytes; a client has some ten candidates of a hundred bytes each.
const FRAGMENT_BYTES_MAX: usize = 32 * 1024;

/// What a client says of its ICE after its offer. Candidates are passed over: the server learns
/// addresses from connectivity checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    /// Its credentials; `None` where it does not repeat them.
    pub ice: Option<IceCredentials>,
    /// The sections it is about.
    pub mids: Vec<String>,
}

impl Fragment {
    /// Reads a fragment; all sections are bundled, so the first credentials count.
    ///
    /// # Errors
    /// [`SdpError::TooLong`] and [`SdpError::Malformed`], also for a text without a single line.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        if text.len() > FRAGMENT_BYTES_MAX {
            return Err(SdpError::TooLong);
        }
        let malformed = SdpError::Malformed("fragment");
        let (mut fragment, mut ufrag, mut pwd) = (Self::default(), None, None);
        let mut lines = text.lines().filter(|line| !line.is_empty()).peekable();
        lines.peek().ok_or(malformed)?;
        for line in lines {
            bounded(line)?;
            match attribute(line)? {
                Some(("ice-ufrag", value)) => drop(ufrag.get_or_insert(ice_word(value, 4)?)),
                Some(("ice-pwd", value)) => drop(pwd.get_or_insert(ice_word(value, 22)?)),
                Some(("mid", _)) if fragment.mids.len() == SECTIONS_MAX => {
                    return Err(SdpError::TooLong);
                }
                Some(("mid", value)) => fragment.mids.push(mid_of(value)?),
                Some(_) => {}
                None if line.starts_with("m=") => {}
                None => return Err(malformed),
            }
        }
        fragment.ice = match (ufrag, pwd) {
            (Some(ufrag), Some(pwd)) => Some(IceCredentials { ufrag, pwd }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(malformed),
        };
        Ok(fragment)
    }
}

/// Writes our side of a restart: the bundle, and the section that stands for it with our
/// credentials and candidates.
pub fn write_fragment(bundle: &[String], first: &Section) -> String {
    let mut text = String::with_capacity(512);
    // Writing to a string cannot fail.
    let _ = write_to(&mut text, bundle, first);
    text
}

fn write_to(out: &mut String, bundle: &[String], first: &Section) -> fmt::Result {
    let kind = match first.kind {
        SectionKind::Audio => "audio",
        SectionKind::Video => "video",
        SectionKind::Data | SectionKind::Other => "application",
    };
    write!(out, "a=ice-lite\r\na=group:BUNDLE {}\r\n", bundle.join(" "))?;
    write!(
        out,
        "m={kind} 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:{}\r\n",
        first.mid
    )?;
    if let Some(ice) = &first.transport.ice {
        write!(
            out,
            "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
            ice.ufrag, ice.pwd
        )?;
    }
    candidates(out, &first.candidates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::command::HostCandidates;
    use crate::media::sdp::TransportLines;

    const WORD: &str = "vw5LmwG4y/e6dPP/zAP9Gp5k";

    #[test]
    fn credentials_count_once_wherever_they_stand() {
        for text in [
            format!("a=ice-ufrag:ysXw\r\na=ice-pwd:{WORD}\r\nm=audio 9 X 0\r\na=mid:0\r\n"),
            format!("m=audio 9 X 0\na=mid:0\na=ice-ufrag:ysXw\na=ice-pwd:{WORD}\na=candidate:1"),
        ] {
            let fragment = Fragment::parse(&text).unwrap();
            assert_eq!(fragment.mids, ["0"]);
            let ice = fragment.ice.unwrap();
            assert_eq!((ice.ufrag.as_str(), ice.pwd.as_str()), ("ysXw", WORD));
        }
        let bare = Fragment::parse("a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n").unwrap();
        assert_eq!(bare, Fragment::default());
    }

    #[test]
    fn what_is_no_fragment_is_refused() {
        let long = "a=x\r\n".repeat(FRAGMENT_BYTES_MAX);
        let many = "a=mid:0\r\n".repeat(SECTIONS_MAX + 1);
        for text in [
            "",
            "\r\n",
            "hello",
            "a=ice-ufrag:x",
            "a=ice-ufrag:ysXw",
            &long,
            &many,
        ] {
            assert!(Fragment::parse(text).is_err(), "{:.40}", text);
        }
    }

    #[test]
    fn our_side_of_a_restart_reads_back() {
        let ice = IceCredentials {
            ufrag: "server".to_owned(),
            pwd: WORD.to_owned(),
        };
        let section = Section {
            kind: SectionKind::Video,
            mid: "v".to_owned(),
            transport: TransportLines {
                ice: Some(ice.clone()),
                ..TransportLines::default()
            },
            candidates: HostCandidates {
                udp: vec!["127.0.0.1:7882".parse().unwrap()],
                tcp: Vec::new(),
            },
            ..Section::default()
        };
        let text = write_fragment(&["v".to_owned(), "a".to_owned()], &section);
        let read = Fragment::parse(&text).unwrap();
        assert_eq!((read.ice, read.mids), (Some(ice), vec!["v".to_owned()]));
        assert!(text.contains("127.0.0.1 7882 typ host"), "{text}");
    }
}
