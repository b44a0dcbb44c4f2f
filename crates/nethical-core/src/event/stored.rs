//! Events as bytes on disk.
//!
//! ```text
//! version u8, family u8, level u8, id 16 bytes, time i64 (microseconds since 1970), then the JSON
//! ```

use crate::event::{Event, EventId, Family, Level, Timestamp};

const VERSION: u8 = 1;
const HEAD: usize = 27;

impl Event {
    /// The event as it is kept in the spool and among the dead letters; [`from_stored`](Self::from_stored)
    /// reads it.
    pub fn to_stored(&self) -> Vec<u8> {
        [&self.stored_head()[..], self.json()].concat()
    }

    /// What [`to_stored`](Self::to_stored) puts before the JSON.
    pub(crate) fn stored_head(&self) -> [u8; HEAD] {
        let (id, at) = (self.id(), self.at().as_microsecond().to_le_bytes());
        let about = [VERSION, family_code(self.family()), self.level() as u8];
        let mut head = [0; HEAD];
        let fields = about.iter().chain(id.as_bytes()).chain(&at);
        head.iter_mut().zip(fields).for_each(|(byte, value)| *byte = *value);
        head
    }

    /// The event in these bytes; `None` if a later version wrote them, or they are none.
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        let (head, json) = bytes.split_at_checked(HEAD)?;
        let (&[version, family, level], head) = head.split_first_chunk::<3>()?;
        let (id, at) = head.split_first_chunk::<16>()?;
        if version != VERSION {
            return None;
        }
        let at = Timestamp::from_microsecond(i64::from_le_bytes(at.try_into().ok()?)).ok()?;
        let level = Level::ALL.get(usize::from(level)).copied()?;
        Some(Self::new(EventId::from_bytes(*id), at, level, family_of(family)?, json))
    }
}

const fn family_code(family: Family) -> u8 {
    match family {
        Family::Logs => 0,
        Family::Alerts => 1,
        Family::Runs => 2,
    }
}

const fn family_of(code: u8) -> Option<Family> {
    match code {
        0 => Some(Family::Logs),
        1 => Some(Family::Alerts),
        2 => Some(Family::Runs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn comes_back(
            micros in -1_000_000_000_000_i64..4_000_000_000_000_000,
            level in 0..5_usize,
            family in 0..3_u8,
            json in any::<Vec<u8>>(),
        ) {
            let family = family_of(family).unwrap();
            let at = Timestamp::from_microsecond(micros).unwrap();
            let event = Event::new(EventId::new(), at, Level::ALL[level], family, &json);
            let back = Event::from_stored(&event.to_stored()).unwrap();
            prop_assert_eq!((back.id(), back.at(), back.level(), back.family()), (event.id(), at, event.level(), family));
            prop_assert_eq!(back.json(), &json[..]);
        }

        #[test]
        fn anything_may_be_on_disk(bytes in any::<Vec<u8>>()) {
            let _ = Event::from_stored(&bytes);
        }
    }
}
