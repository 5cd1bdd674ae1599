//! Processes by name, in the order of the recipe.

use kiln_names::ProcessName;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use std::marker::PhantomData;

/// Something for every process, in the order in which the recipe has them.
///
/// In JSON it is an object whose members keep their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processes<T>(Vec<(ProcessName, T)>);

impl<T> Processes<T> {
    /// What `name` has.
    #[must_use]
    pub fn get(&self, name: &ProcessName) -> Option<&T> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, item)| item)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&ProcessName, &T)> {
        self.0.iter().map(|(name, item)| (name, item))
    }

    /// The names, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &ProcessName> {
        self.0.iter().map(|(name, _)| name)
    }

    /// The process that the image runs when none is named: `web`, or else the first.
    #[must_use]
    pub fn main(&self) -> Option<(&ProcessName, &T)> {
        let web = self.iter().find(|(name, _)| name.as_str() == "web");
        web.or_else(|| self.iter().next())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same processes with what `make` makes of each.
    ///
    /// # Errors
    /// The first that `make` returns.
    pub fn try_map<U, E>(
        &self,
        mut make: impl FnMut(&ProcessName, &T) -> Result<U, E>,
    ) -> Result<Processes<U>, E> {
        let made = self.iter().map(|(name, item)| Ok((name.clone(), make(name, item)?)));
        Ok(Processes(made.collect::<Result<_, E>>()?))
    }

    /// Adds a process at the end, or replaces the one of that name.
    pub fn insert(&mut self, name: ProcessName, item: T) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some(entry) => entry.1 = item,
            None => self.0.push((name, item)),
        }
    }
}

impl<T> Default for Processes<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> FromIterator<(ProcessName, T)> for Processes<T> {
    /// Of two with one name the later wins.
    fn from_iter<I: IntoIterator<Item = (ProcessName, T)>>(items: I) -> Self {
        let mut processes = Self::default();
        items.into_iter().for_each(|(name, item)| processes.insert(name, item));
        processes
    }
}

impl<T: Serialize> Serialize for Processes<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.iter())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Processes<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Collect(PhantomData))
    }
}

struct Collect<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Collect<T> {
    type Value = Processes<T>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object of processes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut processes = Processes::default();
        while let Some((name, item)) = map.next_entry()? {
            if processes.len() == super::MAX_PROCESSES {
                return Err(A::Error::custom("too many processes"));
            }
            processes.insert(name, item);
        }
        Ok(processes)
    }
}
