//! A made-up encoder of spatial and temporal layers in one stream, and the writer of its
//! descriptors.

use crate::media::dependency::{
    Descriptor, Indication, Indications, References, Structure, TARGETS_MAX, Template,
};

/// Temporal layers of pictures that follow each other, by how many there are.
const PATTERNS: [&[u8]; 3] = [&[0], &[0, 1], &[0, 2, 1, 2]];

/// One layer's frame of a picture.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) descriptor: Descriptor,
    /// Counts frames for ever, as their numbers do in 16 bits.
    pub(crate) count: u32,
    /// The frames that it needs, by count.
    pub(crate) needs: Vec<u32>,
    /// It needs nothing.
    pub(crate) is_key: bool,
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Encoder {
    pub(crate) structure: Structure,
    spatials: u8,
    temporals: u8,
    /// Spatial layers need each other in key pictures only.
    is_key_only: bool,
    /// Spatial layers that come.
    top: u8,
    count: u32,
    turn: usize,
    /// Newest frame of each spatial and temporal layer.
    newest: [[Option<u32>; 3]; 3],
    is_fresh: bool,
}

impl Encoder {
    /// Like the modes `L3T3` and `L3T3_KEY`.
    pub(crate) fn new(spatials: u8, temporals: u8, is_key_only: bool, count: u32) -> Self {
        let targets = usize::from(spatials * temporals);
        let mut templates = Vec::new();
        for spatial in 0..spatials {
            for temporal in 0..temporals {
                for is_key in [true, false] {
                    if is_key && temporal > 0 {
                        continue;
                    }
                    let of = |target: usize| {
                        let target = target as u8;
                        let (to, up_to) = (target / temporals, target % temporals);
                        let is_of = match is_key_only && !is_key {
                            true => to == spatial,
                            false => to >= spatial,
                        };
                        match is_of && up_to >= temporal {
                            false => Indication::NotPresent,
                            true if to > spatial && !is_key => Indication::Required,
                            true if temporal > 0 && up_to == temporal => Indication::Discardable,
                            true => Indication::Switch,
                        }
                    };
                    templates.push(Template {
                        spatial,
                        temporal,
                        indications: Indications::from_iter((0..targets).map(of)),
                        ..Template::default()
                    });
                }
            }
        }
        let structure = Structure {
            first_id: 5,
            targets,
            templates,
            chains: 0,
            protected_by: [0; TARGETS_MAX],
            resolutions: Vec::new(),
        };
        Self {
            structure,
            spatials,
            temporals,
            is_key_only,
            top: spatials,
            count,
            turn: 0,
            newest: [[None; 3]; 3],
            is_fresh: true,
        }
    }

    /// Only so many spatial layers come from now on; more of them begin with a key picture.
    pub(crate) fn limit(&mut self, top: u8) {
        self.is_fresh |= top > self.top;
        self.top = top.min(self.spatials);
    }

    /// Decode targets that come.
    fn active(&self) -> u32 {
        (1 << (self.top * self.temporals)) - 1
    }

    /// The next picture, lowest layer first.
    pub(crate) fn picture(&mut self, key: bool) -> Vec<Layer> {
        let is_key = key || std::mem::take(&mut self.is_fresh);
        if is_key {
            (self.turn, self.newest) = (0, [[None; 3]; 3]);
            self.is_fresh = false;
        }
        let pattern = PATTERNS[usize::from(self.temporals) - 1];
        let temporal = pattern[self.turn % pattern.len()];
        self.turn += 1;
        (0..self.top)
            .map(|spatial| self.frame(spatial, temporal, is_key))
            .collect()
    }

    fn frame(&mut self, spatial: u8, temporal: u8, is_key: bool) -> Layer {
        let known = &self.newest[usize::from(spatial)];
        // The newest that is lower, or as low at the bottom: a top layer needs none of its own.
        let below = usize::from(temporal.max(1));
        let before = known[..below].iter().flatten().max().copied();
        let beside = (spatial > 0 && (is_key || !self.is_key_only)).then_some(self.count);
        self.count += 1;
        let needs: Vec<u32> = before.into_iter().chain(beside).collect();
        let templates = self.structure.templates.iter();
        let mut of_layer = templates.filter(|t| (t.spatial, t.temporal) == (spatial, temporal));
        let template = match is_key || temporal > 0 {
            true => of_layer.next(),
            false => of_layer.nth(1),
        };
        let mut frame = *template.unwrap();
        let differences = needs.iter().map(|needed| (self.count - needed) as u16);
        frame.references = References::from_iter(differences);
        self.newest[usize::from(spatial)][usize::from(temporal)] = Some(self.count);
        let descriptor = Descriptor {
            starts: true,
            ends: true,
            number: self.count as u16,
            frame,
            structure: (is_key && spatial == 0).then(|| Box::new(self.structure.clone())),
            active: (spatial == 0).then(|| self.active()),
        };
        Layer {
            descriptor,
            count: self.count,
            is_key: needs.is_empty(),
            needs,
        }
    }
}

/// A string of bits.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    fn put(&mut self, value: u32, width: u32) {
        for bit in (0..width).rev() {
            if self.len.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let last = self.bytes.last_mut().unwrap();
            *last |= (value >> bit & 1) as u8 * (0x80 >> (self.len % 8));
            self.len += 1;
        }
    }

    /// `ns(bound)`.
    fn put_below(&mut self, value: u32, bound: u32) {
        let width = u32::BITS - bound.leading_zeros();
        let short = (1 << width) - bound;
        match value < short {
            true => self.put(value, width - 1),
            false => self.put(value + short, width),
        }
    }

    fn put_structure(&mut self, structure: &Structure) {
        let templates = &structure.templates;
        self.put(structure.first_id.into(), 6);
        self.put(structure.targets as u32 - 1, 5);
        for pair in templates.windows(2) {
            let same = (pair[0].spatial, pair[0].temporal) == (pair[1].spatial, pair[1].temporal);
            let step = match (same, pair[0].spatial == pair[1].spatial) {
                (true, _) => 0,
                (false, true) => 1,
                (false, false) => 2,
            };
            self.put(step, 2);
        }
        self.put(3, 2);
        for template in templates {
            self.put_indications(template.indications, structure.targets);
        }
        for template in templates {
            for difference in template.references.differences() {
                self.put(1, 1);
                self.put(u32::from(*difference) - 1, 4);
            }
            self.put(0, 1);
        }
        let chains = structure.chains as u32;
        self.put_below(chains, structure.targets as u32 + 1);
        if chains > 0 {
            for protector in &structure.protected_by[..structure.targets] {
                self.put_below((*protector).into(), chains + 1);
            }
            for template in templates {
                for chain in &template.chains[..structure.chains] {
                    self.put((*chain).into(), 4);
                }
            }
        }
        self.put(u32::from(!structure.resolutions.is_empty()), 1);
        for (width, height) in &structure.resolutions {
            self.put(width - 1, 16);
            self.put(height - 1, 16);
        }
    }

    fn put_indications(&mut self, indications: Indications, targets: usize) {
        for target in 0..targets {
            self.put(indications.of(target) as u32, 2);
        }
    }
}

/// The bytes of a descriptor; `holds` is the structure that it is read with.
pub(crate) fn write(descriptor: &Descriptor, holds: &Structure) -> Vec<u8> {
    let frame = &descriptor.frame;
    let alike = |of: &&Template| (of.spatial, of.temporal) == (frame.spatial, frame.temporal);
    let templates = holds.templates.iter();
    let exact = templates.clone().position(|template| template == frame);
    let exact = exact.or_else(|| {
        let same = |of: &Template| alike(&of) && of.indications == frame.indications;
        templates.clone().position(same)
    });
    let place = exact
        .or_else(|| templates.clone().position(|of| alike(&of)))
        .unwrap();
    let template = &holds.templates[place];
    let all = descriptor.structure.as_ref().map(|own| own.all_targets());
    let active = descriptor.active.filter(|active| all != Some(*active));
    let own = [
        descriptor.structure.is_some(),
        active.is_some(),
        template.indications != frame.indications,
        template.references != frame.references,
        template.chains != frame.chains,
    ];
    let mut bits = Bits::default();
    bits.put(u32::from(descriptor.starts), 1);
    bits.put(u32::from(descriptor.ends), 1);
    bits.put((u32::from(holds.first_id) + place as u32) % 64, 6);
    bits.put(descriptor.number.into(), 16);
    if own == [false; 5] {
        return bits.bytes;
    }
    own.iter().for_each(|flag| bits.put(u32::from(*flag), 1));
    if let Some(structure) = &descriptor.structure {
        bits.put_structure(structure);
    }
    if let Some(active) = active {
        bits.put(active, holds.targets as u32);
    }
    if own[2] {
        bits.put_indications(frame.indications, holds.targets);
    }
    if own[3] {
        for difference in frame.references.differences() {
            let nibbles = (u32::BITS - u32::from(difference - 1).leading_zeros())
                .div_ceil(4)
                .max(1);
            bits.put(nibbles, 2);
            bits.put(u32::from(difference - 1), 4 * nibbles);
        }
        bits.put(0, 2);
    }
    if own[4] {
        frame.chains[..holds.chains]
            .iter()
            .for_each(|chain| bits.put((*chain).into(), 8));
    }
    bits.bytes
}
