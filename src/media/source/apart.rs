//! A source whose encodings come in one stream: its packets are taken apart, and what is told to
//! or by the stream is of all encodings.

use std::time::Instant;

use super::{Arrival, Received, Source};
use crate::media::layered::{Lost, Parts};
use crate::media::rtp::Header;

impl Source {
    /// Streams that its encodings come in.
    pub fn streams(&self) -> usize {
        match self.layered {
            Some(_) => 1,
            None => self.encodings.len(),
        }
    }

    /// The encoding whose stream carries an encoding.
    pub fn carrier(&self, encoding: usize) -> usize {
        match self.layered {
            Some(_) => 0,
            None => encoding,
        }
    }

    /// Takes a decrypted packet of the one stream, or with `repair` a retransmission of one.
    pub(super) fn receive_layered(
        &mut self,
        now: Instant,
        origin: Instant,
        repair: bool,
        header: &Header,
        bytes: &[u8],
    ) -> Received {
        let descriptor = self.extensions.dependency;
        let descriptor = descriptor.and_then(|id| header.extension(bytes, id));
        let Some((packet, payload)) = self.read(now, origin, 0, repair, header, bytes) else {
            return Received::Nothing;
        };
        let Some(layered) = &mut self.layered else {
            return Received::Nothing;
        };
        match layered.take(&packet, descriptor) {
            Ok(parts) => self.keep_parts(now, &parts, payload),
            Err(Lost::Late) => Received::Nothing,
            Err(Lost::Untold) => {
                if let Some(carrier) = self.encodings.first_mut() {
                    carrier.key_frames.want();
                }
                let first = self.heard(now, 0);
                Received::Packet { first }
            }
        }
    }

    fn keep_parts(&mut self, now: Instant, parts: &Parts, payload: &[u8]) -> Received {
        if let Some(live) = parts.live {
            self.set_live(now, live);
        }
        let (mut received, mut first) = (false, false);
        for (encoding, part) in (0..).zip(&parts.parts) {
            let (Some(part), Some(known)) = (part, self.encodings.get_mut(usize::from(encoding)))
            else {
                continue;
            };
            let payload = if part.is_empty { &[] } else { payload };
            if !known.keep(part.packet, payload, self.kind) {
                continue;
            }
            let arrival = Arrival {
                encoding,
                epoch: known.epoch,
                number: part.packet.number,
                at: now,
            };
            received = true;
            first |= self.arrived(now, arrival, &part.packet) && encoding == 0;
        }
        match received {
            true => Received::Packet { first },
            false => Received::Nothing,
        }
    }

    /// The publisher says which encodings come.
    fn set_live(&mut self, now: Instant, live: u8) {
        let coming = self.encodings.iter_mut().enumerate().skip(1);
        for (encoding, known) in coming {
            known.heard_at = (live >> encoding & 1 == 1).then_some(now);
        }
        let live = live | self.live & 1;
        if live != self.live {
            self.live = live;
            self.choose_encodings();
        }
    }

    /// Another stream has begun: it is all encodings' stream.
    pub(super) fn restart_layers(&mut self) {
        let Some(layered) = &mut self.layered else {
            return;
        };
        layered.restart();
        for (encoding, known) in (0..).zip(&mut self.encodings).skip(1) {
            known.epoch += 1;
            (known.thinnings, known.top) = (None, 0);
            known.follow_anew(self.kind, &mut self.legs, encoding);
        }
    }

    /// A key frame that an encoding waits for is one of the stream.
    pub(super) fn gather_key_frame_wishes(&mut self) {
        if self.layered.is_none() {
            return;
        }
        let live = self.live;
        let Some((carrier, others)) = self.encodings.split_first_mut() else {
            return;
        };
        let wanted = (1..).zip(others).any(|(encoding, other): (u8, _)| {
            live >> encoding & 1 == 1 && other.key_frames.is_wanted()
        });
        if wanted {
            carrier.key_frames.want();
        }
    }
}
