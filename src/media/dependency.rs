//! The dependency descriptor: a header extension by which a stream that carries several layers
//! tells of each frame what it is of and what it needs (appendix A of the AV1 RTP specification,
//! <https://aomediacodec.github.io/av1-rtp-spec/>). Reads descriptors; knows no stream.

/// Most decode targets of a structure (`dtis_cnt_minus_one` has five bits).
pub const TARGETS_MAX: usize = 32;

/// Most templates of a structure: as many as there are ids (`MAX_TEMPLATE_ID`).
pub const TEMPLATES_MAX: usize = 64;

/// Spatial layers, at most (`MAX_SPATIAL_ID`).
pub const SPATIALS_MAX: usize = 4;

/// Frames that one frame refers to, at most; a descriptor with more is not read. No codec keeps
/// more frames than this.
pub const REFERENCES_MAX: usize = 8;

/// A descriptor without extended fields, bytes.
const SHORT_BYTES: usize = 3;

/// What a frame is to a decode target (table A.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indication {
    /// Not of it.
    NotPresent,
    /// Of it, and no other frame of it needs this one.
    Discardable,
    /// Of it, and who can decode this frame can decode all that follow of it.
    Switch,
    /// Of it.
    Required,
}

/// Indications for all decode targets, two bits each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Indications(u64);

impl Indications {
    /// The one for a decode target; nothing is of one that does not exist.
    pub fn of(self, target: usize) -> Indication {
        let shift = 2 * target as u32;
        match self.0.checked_shr(shift).unwrap_or(0) & 3 {
            0 => Indication::NotPresent,
            1 => Indication::Discardable,
            2 => Indication::Switch,
            _ => Indication::Required,
        }
    }

    /// Of these, by decode target.
    #[cfg(test)]
    pub(crate) fn from_iter(indications: impl Iterator<Item = Indication>) -> Self {
        let shifted = indications
            .enumerate()
            .map(|(at, of)| (of as u64) << (2 * at));
        Self(shifted.fold(0, |all, of| all | of))
    }

    /// Whether a frame is of a decode target.
    pub fn has(self, target: usize) -> bool {
        self.of(target) != Indication::NotPresent
    }
}

/// Which frames a frame refers to: how many frame numbers before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct References {
    differences: [u16; REFERENCES_MAX],
    count: u8,
}

impl References {
    /// The differences.
    pub fn differences(&self) -> &[u16] {
        &self.differences[..usize::from(self.count)]
    }

    /// Of these differences.
    #[cfg(test)]
    pub(crate) fn from_iter(differences: impl Iterator<Item = u16>) -> Self {
        let mut references = Self::default();
        differences.for_each(|difference| references.push(difference.into()).unwrap());
        references
    }

    fn push(&mut self, difference: u32) -> Option<()> {
        let place = self.differences.get_mut(usize::from(self.count))?;
        *place = u16::try_from(difference).ok()?;
        self.count += 1;
        Some(())
    }
}

/// What frames of one kind have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// Spatial layer, 0 to 3.
    pub spatial: u8,
    /// Temporal layer, 0 to 7.
    pub temporal: u8,
    /// What the frame is to each decode target.
    pub indications: Indications,
    /// What it refers to.
    pub references: References,
    /// How many frame numbers ago each chain had its frame before; 0 where a chain begins.
    pub chains: [u8; TARGETS_MAX],
}

/// How a stream is layered, told with the first packet of a coded video sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// Id of the first template.
    pub first_id: u8,
    /// Decode targets, 1 to [`TARGETS_MAX`].
    pub targets: usize,
    /// One to [`TEMPLATES_MAX`].
    pub templates: Vec<Template>,
    /// Chains, 0 to `targets`.
    pub chains: usize,
    /// The chain that protects each decode target; `chains` where none does.
    pub protected_by: [u8; TARGETS_MAX],
    /// Widths and heights of the spatial layers, where they are told.
    pub resolutions: Vec<(u32, u32)>,
}

impl Structure {
    /// Highest spatial and temporal layer of a decode target.
    pub fn layer_of(&self, target: usize) -> (u8, u8) {
        let of = self.templates.iter().filter(|t| t.indications.has(target));
        of.fold((0, 0), |(spatial, temporal), template| {
            (
                spatial.max(template.spatial),
                temporal.max(template.temporal),
            )
        })
    }

    /// All decode targets, as a mask.
    pub fn all_targets(&self) -> u32 {
        u32::MAX >> (TARGETS_MAX - self.targets)
    }

    fn template(&self, id: u8) -> Option<&Template> {
        let place = id.wrapping_sub(self.first_id) % TEMPLATES_MAX as u8;
        self.templates.get(usize::from(place))
    }
}

/// What one packet's descriptor tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The packet begins a frame.
    pub starts: bool,
    /// The packet ends a frame.
    pub ends: bool,
    /// The frame's number; each frame has the next, of whatever layer it is.
    pub number: u16,
    /// The frame: its template, with what is told of it alone.
    pub frame: Template,
    /// A structure that holds from here on.
    pub structure: Option<Box<Structure>>,
    /// Decode targets that come, where that is told: bit 0 is the first.
    pub active: Option<u32>,
}

impl Descriptor {
    /// Reads a descriptor, given the structure that held before; `None` when it makes no sense, or
    /// none without a structure that is not known.
    pub fn read(bytes: &[u8], known: Option<&Structure>) -> Option<Self> {
        let mut bits = Bits { bytes, at: 0 };
        let (starts, ends) = (bits.flag()?, bits.flag()?);
        let (id, number) = (bits.take(6)? as u8, bits.take(16)? as u16);
        let mut has = [false; 5];
        if bytes.len() > SHORT_BYTES {
            for flag in &mut has {
                *flag = bits.flag()?;
            }
        }
        let [structure, active, indications, references, chains] = has;
        let structure = match structure {
            true => Some(Box::new(bits.structure()?)),
            false => None,
        };
        let holds = structure.as_deref().or(known)?;
        let active = match active {
            true => Some(bits.take(holds.targets as u32)?),
            false => structure.as_ref().map(|own| own.all_targets()),
        };
        let mut frame = *holds.template(id)?;
        if indications {
            frame.indications = bits.indications(holds.targets)?;
        }
        if references {
            frame.references = bits.frame_references()?;
        }
        if chains {
            bits.chains(&mut frame.chains[..holds.chains], 8)?;
        }
        Some(Self {
            starts,
            ends,
            number,
            frame,
            structure,
            active,
        })
    }
}

/// What is left of a string of bits, the highest of each byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let found = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(found == 1)
    }

    /// `f(n)`; at most 32 bits.
    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.flag()?);
        }
        Some(value)
    }

    /// `ns(n)`: a number below `bound`, which is 1 to 33.
    fn below(&mut self, bound: u32) -> Option<u32> {
        let width = u32::BITS - bound.leading_zeros();
        let short = (1 << width) - bound;
        let value = self.take(width - 1)?;
        if value < short {
            return Some(value);
        }
        Some((value << 1) - short + self.take(1)?)
    }

    fn structure(&mut self) -> Option<Structure> {
        let first_id = self.take(6)? as u8;
        let targets = self.take(5)? as usize + 1;
        let mut templates = self.layers()?;
        for template in &mut templates {
            template.indications = self.indications(targets)?;
        }
        for template in &mut templates {
            template.references = self.template_references()?;
        }
        let chains = self.below(targets as u32 + 1)? as usize;
        let mut protected_by = [chains as u8; TARGETS_MAX];
        if chains > 0 {
            for protector in &mut protected_by[..targets] {
                *protector = self.below(chains as u32 + 1)? as u8;
            }
            for template in &mut templates {
                self.chains(&mut template.chains[..chains], 4)?;
            }
        }
        let mut resolutions = Vec::new();
        if self.flag()? {
            let highest = templates.last().map_or(0, |template| template.spatial);
            for _ in 0..=highest {
                resolutions.push((self.take(16)? + 1, self.take(16)? + 1));
            }
        }
        Some(Structure {
            first_id,
            targets,
            templates,
            chains,
            protected_by,
            resolutions,
        })
    }

    /// The templates, of which only the layers are known yet (table A.3).
    fn layers(&mut self) -> Option<Vec<Template>> {
        let mut templates = Vec::new();
        let mut next = Template::default();
        while templates.len() < TEMPLATES_MAX {
            templates.push(next);
            match self.take(2)? {
                0 => {}
                1 => next.temporal += 1,
                2 => (next.spatial, next.temporal) = (next.spatial + 1, 0),
                _ => return Some(templates),
            }
            if usize::from(next.spatial) >= SPATIALS_MAX || next.temporal > 7 {
                return None;
            }
        }
        None
    }

    fn indications(&mut self, targets: usize) -> Option<Indications> {
        let mut indications = 0;
        for target in 0..targets {
            indications |= u64::from(self.take(2)?) << (2 * target);
        }
        Some(Indications(indications))
    }

    fn template_references(&mut self) -> Option<References> {
        let mut references = References::default();
        while self.flag()? {
            references.push(self.take(4)? + 1)?;
        }
        Some(references)
    }

    fn frame_references(&mut self) -> Option<References> {
        let mut references = References::default();
        loop {
            match self.take(2)? {
                0 => return Some(references),
                nibbles => references.push(self.take(4 * nibbles)? + 1)?,
            }
        }
    }

    fn chains(&mut self, chains: &mut [u8], width: u32) -> Option<()> {
        for chain in chains {
            *chain = self.take(width)? as u8;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
