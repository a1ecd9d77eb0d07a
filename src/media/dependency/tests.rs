//! Descriptors by hand from the specification, and by a writer.

use proptest::prelude::*;

use super::*;
use crate::media::sample::Chance;
use crate::media::sample::layers::{Encoder, write};

/// Text of zeroes and ones, with spaces anywhere, as bytes.
fn bits(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
    let byte = |eight: &[u8]| {
        let value = eight
            .iter()
            .fold(0, |byte, digit| byte << 1 | (digit - b'0'));
        value << (8 - eight.len())
    };
    digits.chunks(8).map(byte).collect()
}

/// Example A.6.1 of the specification, its decode targets in the order 30, 15 and 7.5 a second.
const L1T3: &str = "000001 00010 \
    00 01 01 00 11 \
    101010 101010 100100 010000 010000 \
    0 10011 0 10001 0 10000 0 10000 0 \
    01 0 0 0 \
    0000 0100 0010 0001 0011 \
    0";

fn l1t3() -> Structure {
    let text = format!("11 000001 0000000000000111 10000 {L1T3}");
    let read = Descriptor::read(&bits(&text), None).unwrap();
    assert_eq!((read.starts, read.ends, read.number), (true, true, 7));
    assert_eq!(read.active, Some(7));
    *read.structure.unwrap()
}

#[test]
fn the_example_with_three_temporal_layers_reads_as_its_table() {
    use Indication::{Discardable, NotPresent, Switch};
    let structure = l1t3();
    assert_eq!((structure.targets, structure.chains), (3, 1));
    assert_eq!(structure.protected_by[..3], [0; 3]);
    let expected = [
        (0, &[][..], 0, [Switch; 3]),
        (0, &[4], 4, [Switch; 3]),
        (1, &[2], 2, [Switch, Discardable, NotPresent]),
        (2, &[1], 1, [Discardable, NotPresent, NotPresent]),
        (2, &[1], 3, [Discardable, NotPresent, NotPresent]),
    ];
    assert_eq!(structure.templates.len(), expected.len());
    for (template, (temporal, differences, chain, indications)) in
        structure.templates.iter().zip(expected)
    {
        assert_eq!((template.spatial, template.temporal), (0, temporal));
        assert_eq!(template.references.differences(), differences);
        assert_eq!(template.chains[0], chain);
        let found = [0, 1, 2].map(|target| template.indications.of(target));
        assert_eq!(found, indications);
    }
    let layers = [0, 1, 2].map(|target| structure.layer_of(target));
    assert_eq!(layers, [(0, 2), (0, 1), (0, 0)]);
}

#[test]
fn three_bytes_are_a_frame_of_a_known_template() {
    let structure = l1t3();
    let bytes = bits("10 000011 1111111111111111");
    let read = Descriptor::read(&bytes, Some(&structure)).unwrap();
    assert_eq!(
        (read.starts, read.ends, read.number),
        (true, false, u16::MAX)
    );
    assert_eq!(read.frame, structure.templates[2]);
    assert_eq!((read.structure, read.active), (None, None));
    assert_eq!(Descriptor::read(&bytes, None), None);
    let unknown = bits("10 000110 0000000000000000");
    assert_eq!(Descriptor::read(&unknown, Some(&structure)), None);
}

#[test]
fn what_is_told_of_a_frame_alone_goes_before_its_template() {
    use Indication::{NotPresent, Required};
    let structure = l1t3();
    let text = "01 000100 0000000000000001 01111 101 110000 01 0111 10 00010000 00 00000101";
    let read = Descriptor::read(&bits(text), Some(&structure)).unwrap();
    assert_eq!(read.active, Some(0b101));
    let found = [0, 1, 2].map(|target| read.frame.indications.of(target));
    assert_eq!(found, [Required, NotPresent, NotPresent]);
    assert_eq!(read.frame.references.differences(), [8, 17]);
    assert_eq!(read.frame.chains[0], 5);
    assert_eq!((read.frame.spatial, read.frame.temporal), (0, 2));
}

#[test]
fn numbers_of_an_uneven_bound_take_a_bit_less_where_they_can() {
    for (text, expected) in [("00", 0), ("01", 1), ("10", 2), ("110", 3), ("111", 4)] {
        let bytes = bits(text);
        let mut bits = Bits {
            bytes: &bytes,
            at: 0,
        };
        assert_eq!(bits.below(5), Some(expected));
        assert_eq!(bits.at, text.len());
    }
}

#[test]
fn more_layers_than_there_are_or_more_references_than_anybody_keeps_are_not_read() {
    let spatial = format!(
        "11 000000 0000000000000000 10000 000000 00000 {}",
        "10".repeat(4)
    );
    assert_eq!(Descriptor::read(&bits(&(spatial + "11")), None), None);
    let structure = l1t3();
    let many = |count| {
        let each = "01 0000".repeat(count);
        bits(&format!("11 000001 0000000000000000 00010 {each} 00"))
    };
    assert!(Descriptor::read(&many(REFERENCES_MAX), Some(&structure)).is_some());
    assert_eq!(
        Descriptor::read(&many(REFERENCES_MAX + 1), Some(&structure)),
        None
    );
}

#[test]
fn a_descriptor_that_is_cut_off_is_not_read() {
    let whole = bits(&format!("11 000001 0000000000000111 10000 {L1T3}"));
    for len in 0..whole.len() {
        assert_eq!(Descriptor::read(&whole[..len], None), None);
    }
}

#[test]
fn no_input_makes_the_reader_panic() {
    let mut chance = Chance::new(41);
    let known = l1t3();
    for _ in 0..100_000 {
        let bytes = chance.bytes(60);
        for structure in [None, Some(&known)] {
            if let Some(read) = Descriptor::read(&bytes, structure) {
                let holds = read.structure.as_deref().or(structure).unwrap();
                assert!((1..=TARGETS_MAX).contains(&holds.targets));
                assert!(holds.chains <= holds.targets);
                assert!(holds.templates.len() <= TEMPLATES_MAX);
                (0..TARGETS_MAX).for_each(|target| _ = holds.layer_of(target));
            }
        }
    }
}

fn indications() -> impl Strategy<Value = Indications> {
    any::<u64>().prop_map(Indications)
}

prop_compose! {
    fn template()(
        step in 0_u8..3,
        indications in indications(),
        differences in prop::collection::vec(1_u16..=16, 0..4),
        chains in prop::array::uniform32(0_u8..16),
    ) -> (u8, Template) {
        let references = References::from_iter(differences.into_iter());
        (step, Template { indications, references, chains, ..Template::default() })
    }
}

prop_compose! {
    fn structure()(
        first_id in 0_u8..64,
        targets in 1_usize..=TARGETS_MAX,
        templates in prop::collection::vec(template(), 1..20),
        chains in any::<prop::sample::Index>(),
        protectors in prop::array::uniform32(any::<prop::sample::Index>()),
        sized in any::<bool>(),
    ) -> Structure {
        let chains = chains.index(targets + 1);
        let mut layer = (0_u8, 0_u8);
        let mut laid = Vec::new();
        for (step, mut template) in templates {
            layer = match step {
                1 if layer.1 < 7 && !laid.is_empty() => (layer.0, layer.1 + 1),
                2 if layer.0 < 3 && !laid.is_empty() => (layer.0 + 1, 0),
                _ => layer,
            };
            (template.spatial, template.temporal) = layer;
            let mask = if targets == TARGETS_MAX { u64::MAX } else { (1 << (2 * targets)) - 1 };
            template.indications.0 &= mask;
            template.chains[chains..].fill(0);
            laid.push(template);
        }
        let mut protected_by = [chains as u8; TARGETS_MAX];
        if chains > 0 {
            for (place, index) in protected_by[..targets].iter_mut().zip(protectors) {
                *place = index.index(chains + 1) as u8;
            }
        }
        let count = if sized { u32::from(layer.0) + 1 } else { 0 };
        let resolutions = (1..=count).map(|n| (n * 320, n * 180)).collect();
        Structure { first_id, targets, templates: laid, chains, protected_by, resolutions }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        structure in structure(),
        attached in any::<bool>(),
        flags in any::<(bool, bool, u16)>(),
        place in any::<prop::sample::Index>(),
        own in prop::option::of(prop::collection::vec(1_u16..=4_096, 0..REFERENCES_MAX)),
        active in any::<u32>(),
    ) {
        let mut frame = structure.templates[place.index(structure.templates.len())];
        if let Some(differences) = own {
            frame.references = References::from_iter(differences.into_iter());
            frame.indications.0 &= 0x3333_3333_3333_3333;
            frame.chains[..structure.chains].fill(200);
        }
        let (starts, ends, number) = flags;
        let written = Descriptor {
            starts,
            ends,
            number,
            frame,
            structure: attached.then(|| Box::new(structure.clone())),
            active: Some(active & structure.all_targets()),
        };
        let bytes = write(&written, &structure);
        let read = Descriptor::read(&bytes, Some(&structure));
        prop_assert_eq!(read, Some(written));
    }
}

#[test]
fn frames_of_every_mode_name_decode_targets_in_which_all_that_they_need_is_present() {
    for (spatials, temporals, key_only) in
        (1..=3).flat_map(|s| (1..=3).flat_map(move |t| [(s, t, false), (s, t, true)]))
    {
        let mut encoder = Encoder::new(spatials, temporals, key_only, 65_500);
        let mut of_targets = std::collections::BTreeMap::new();
        for picture in 0..200 {
            for layer in encoder.picture(picture % 50 == 0) {
                let bytes = write(&layer.descriptor, &encoder.structure);
                let read = Descriptor::read(&bytes, Some(&encoder.structure)).unwrap();
                assert_eq!(read.frame, layer.descriptor.frame);
                let of = |target: &usize| read.frame.indications.has(*target);
                let targets: Vec<usize> = (0..encoder.structure.targets).filter(of).collect();
                for needed in &layer.needs {
                    let theirs: &Vec<usize> = &of_targets[needed];
                    assert!(targets.iter().all(|target| theirs.contains(target)));
                }
                of_targets.insert(layer.count, targets);
            }
        }
    }
}
