//! One type per kind of id, so that two of them cannot be swapped.

use std::fmt;

use serde::{Serialize, Serializer};

/// A text that is not an id of the wanted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a valid id")]
pub struct InvalidId;

macro_rules! object_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Text form: 24 lower-case hex digits.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 12]);

        impl $name {
            /// The id with these bytes.
            pub const fn from_bytes(bytes: [u8; 12]) -> Self {
                Self(bytes)
            }

            /// The bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; 12] {
                &self.0
            }

            /// Reads the text form.
            ///
            /// # Errors
            /// [`InvalidId`] for anything but 24 lower-case hex digits.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                parse_hex(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

object_id!(
    /// A tenant.
    AccountId
);
object_id!(
    /// An account's use of an integration.
    SubscriptionId
);
object_id!(
    /// An access token; not its secret value.
    TokenId
);
object_id!(
    /// A program that sends entries under a secret of its own.
    IngestSourceId
);
object_id!(
    /// A replay or a redelivery of one subscription.
    JobId
);

/// The id of an entry: the producer's own `_id`, or 24 hex digits made at ingest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(Box<str>);

impl EntryId {
    /// The longest id accepted, in bytes.
    pub const BYTES_MAX: usize = 256;

    /// Reads a producer's id.
    ///
    /// # Errors
    /// [`InvalidId`] when it is empty, longer than [`Self::BYTES_MAX`] bytes, or holds
    /// a control character.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let fits = !text.is_empty() && text.len() <= Self::BYTES_MAX;
        if fits && !text.chars().any(char::is_control) { Ok(Self(text.into())) } else { Err(InvalidId) }
    }

    /// An id made by the server from 12 bytes.
    pub fn from_bytes(bytes: [u8; 12]) -> Self {
        Self(AccountId(bytes).to_string().into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An entry's place in its account's log: 1, 2, 3, … without gaps, in commit order.
///
/// Zero is the place before the first entry, so that a position can stand there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The place after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The place before this one; of the first place it is the start of the log.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn parse_hex(text: &str) -> Result<[u8; 12], InvalidId> {
    let digits = text.as_bytes();
    if digits.len() != 24 {
        return Err(InvalidId);
    }
    let mut bytes = [0; 12];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
    }
    Ok(bytes)
}

fn hex_digit(digit: u8) -> Result<u8, InvalidId> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(InvalidId),
    }
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::{EntryId, InvalidId, SubscriptionId};

    #[test]
    fn object_ids_round_trip_as_text() {
        let text = "66f0c0ffee00000000000001";
        assert_eq!(SubscriptionId::parse(text).map(|id| id.to_string()), Ok(text.to_owned()));
    }

    #[test]
    fn object_ids_of_another_shape_are_refused() {
        for text in ["", "fake-id", "66F0C0FFEE00000000000001", "66f0c0ffee0000000000000g", "66f0c0ffee000000000000011"]
        {
            assert_eq!(SubscriptionId::parse(text), Err(InvalidId), "{text}");
        }
    }

    #[test]
    fn entry_ids_keep_what_the_producer_chose() {
        let longest = "a".repeat(EntryId::BYTES_MAX);
        for text in ["01J8-x", "häßlich/id?", longest.as_str()] {
            assert_eq!(EntryId::parse(text).map(|id| id.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "a\nb", "a\0b", &"a".repeat(EntryId::BYTES_MAX + 1)] {
            assert_eq!(EntryId::parse(text), Err(InvalidId), "{text:?}");
        }
    }
}
