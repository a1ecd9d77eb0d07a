//! Things at stable places in one dense vector, so that a walk over all of them is linear.

/// See the module.
pub struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slab<T> {
    /// Puts a thing at a free place and returns the place.
    pub fn insert(&mut self, thing: T) -> usize {
        let place = self.free.pop().unwrap_or(self.places.len());
        match self.places.get_mut(place) {
            Some(slot) => *slot = Some(thing),
            None => self.places.push(Some(thing)),
        }
        place
    }

    /// Takes the thing at a place out; the place may be given to another.
    pub fn remove(&mut self, place: usize) -> Option<T> {
        let removed = self.places.get_mut(place)?.take();
        if removed.is_some() {
            self.free.push(place);
        }
        removed
    }

    /// The thing at a place.
    pub fn get(&self, place: usize) -> Option<&T> {
        self.places.get(place)?.as_ref()
    }

    /// The thing at a place.
    pub fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.places.get_mut(place)?.as_mut()
    }

    /// All things, by place.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().flatten()
    }

    /// One more than the highest place ever used.
    pub fn places(&self) -> usize {
        self.places.len()
    }

    /// How many things there are.
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// There is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_stable_and_used_again() {
        let mut slab = Slab::default();
        let places: Vec<_> = (0..3).map(|n| slab.insert(n)).collect();
        assert_eq!(slab.remove(places[1]), Some(1));
        assert_eq!(slab.remove(places[1]), None);
        assert_eq!((slab.len(), slab.get(places[2])), (2, Some(&2)));
        assert_eq!(slab.insert(9), places[1]);
        assert_eq!(slab.iter_mut().map(|n| *n).collect::<Vec<_>>(), [0, 9, 2]);
        assert_eq!(slab.places(), 3);
    }
}
