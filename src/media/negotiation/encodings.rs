//! Which layer of a published stream is which quality.

use super::Incoming;
use crate::media::command::{CodecMapping, ENCODINGS_MAX, EncodingConfig};
use crate::media::signal::Layer;

/// The encodings of a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encodings {
    /// Lowest quality first, with the layers of the announcement to each.
    pub known: Vec<(EncodingConfig, Layer)>,
    /// One stream carries them all, the first's.
    pub layered: bool,
}

impl Encodings {
    /// What a client sends on a section with these codecs, the one that it uses first.
    ///
    /// Clients name and order restriction ids as they like (`q;h;f`, `h;q`, `2;1;0`): what the
    /// announcement says of an id counts first, then the known names, then the order offered. Of a
    /// single stream that may be layered, each announced layer is an encoding.
    pub fn of(incoming: &Incoming, codecs: &[CodecMapping], layers: &[Layer]) -> Self {
        let rids: Vec<&str> = incoming
            .rids
            .iter()
            .filter(|r| r.sends)
            .map(|r| r.id.as_str())
            .collect();
        let mut configs = if rids.len() > 1 {
            by_restriction_id(&rids, layers)
        } else {
            by_ssrc(incoming, rids.first().copied())
        };
        configs.truncate(ENCODINGS_MAX);
        let may_have_layers = codecs.first().is_some_and(|main| main.codec.has_layers());
        let layered =
            may_have_layers && configs.len() == 1 && incoming.extensions.dependency.is_some();
        if layered {
            let count = layers.len().clamp(1, ENCODINGS_MAX);
            configs.resize_with(count, EncodingConfig::default);
        }
        let count = configs.len();
        let known = configs.into_iter().enumerate().map(|(place, config)| {
            let layer = layer_of(&config, place, count, layers);
            (config, layer)
        });
        Self {
            known: known.collect(),
            layered,
        }
    }

    /// The encodings alone.
    pub fn configs(&self) -> impl Iterator<Item = &EncodingConfig> {
        self.known.iter().map(|(config, _)| config)
    }
}

fn by_restriction_id(rids: &[&str], layers: &[Layer]) -> Vec<EncodingConfig> {
    let announced = |rid: &str| {
        let layer = layers.iter().find(|layer| layer.rid == rid);
        layer.map(|layer| layer.quality)
    };
    let mut ranked: Vec<(u8, &str)> = if rids.iter().all(|rid| announced(rid).is_some()) {
        let rank = |rid: &&str| announced(rid).unwrap_or_default();
        rids.iter().map(|rid| (rank(rid), *rid)).collect()
    } else if rids.iter().all(|rid| known_rank(rid).is_some()) {
        let rank = |rid: &&str| known_rank(rid).unwrap_or_default();
        rids.iter().map(|rid| (rank(rid), *rid)).collect()
    } else {
        rids.iter().map(|rid| (0, *rid)).collect()
    };
    ranked.sort_by_key(|(rank, _)| *rank);
    let config = |(_, rid): (u8, &str)| EncodingConfig {
        rid: Some(rid.to_owned()),
        ..EncodingConfig::default()
    };
    ranked.into_iter().map(config).collect()
}

/// `q`uarter, `h`alf, `f`ull; `2`, `1`, `0` count down from quarter to full.
fn known_rank(rid: &str) -> Option<u8> {
    match rid {
        "q" | "2" => Some(0),
        "h" | "1" => Some(1),
        "f" | "0" => Some(2),
        _ => None,
    }
}

/// A single stream, or the several of an `ssrc-group:SIM` (lowest first, as libwebrtc writes it).
fn by_ssrc(incoming: &Incoming, rid: Option<&str>) -> Vec<EncodingConfig> {
    let groups = || incoming.ssrc_groups.iter();
    let repair_of = |ssrc: u32| {
        groups().find_map(|(semantics, members)| match members.as_slice() {
            [primary, repair] if semantics == "FID" && *primary == ssrc => Some(*repair),
            _ => None,
        })
    };
    let simulcast = groups().find(|(semantics, _)| semantics == "SIM");
    if let Some((_, members)) = simulcast.filter(|(_, members)| !members.is_empty()) {
        let config = |ssrc: &u32| EncodingConfig {
            rid: None,
            ssrc: Some(*ssrc),
            rtx_ssrc: repair_of(*ssrc),
        };
        return members.iter().map(config).collect();
    }
    let is_repair = |ssrc: &u32| {
        groups().any(|(semantics, members)| {
            semantics == "FID" && members.iter().skip(1).any(|member| member == ssrc)
        })
    };
    let ssrc = incoming.ssrcs.iter().find(|ssrc| !is_repair(ssrc)).copied();
    vec![EncodingConfig {
        rid: rid.map(str::to_owned),
        ssrc,
        rtx_ssrc: ssrc.and_then(repair_of),
    }]
}

/// The announced layer of an encoding: by its id, else by its place among as many or more.
fn layer_of(config: &EncodingConfig, place: usize, count: usize, layers: &[Layer]) -> Layer {
    let named = config.rid.as_deref().filter(|rid| !rid.is_empty());
    if let Some(layer) = named.and_then(|rid| layers.iter().find(|layer| layer.rid == rid)) {
        return layer.clone();
    }
    let mut sorted: Vec<&Layer> = layers.iter().collect();
    sorted.sort_by_key(|layer| (layer.quality, layer.width));
    // Fewer encodings than announced layers: the highest announced are those that are missing,
    // unless there is one alone, which is the full picture.
    let place = if count == 1 {
        sorted.len().saturating_sub(1)
    } else {
        place
    };
    sorted
        .get(place)
        .map_or_else(Layer::default, |layer| (*layer).clone())
}
