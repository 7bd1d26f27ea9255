//! Values that must not be printed.

use std::fmt;

use zeroize::Zeroize;

/// A value that must not leave the process unmasked. No `Display`, no `Serialize`;
/// the memory is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the value over.
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself. Each call is a place to look at in a review.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What may be shown: eight `*` and the last four characters, or only the `*`
    /// when the value is shorter than 12 characters.
    pub fn mask(&self) -> String {
        const STARS: &str = "********";
        let count = self.0.chars().count();
        if count < 12 {
            return STARS.to_owned();
        }
        let tail: String = self.0.chars().skip(count - 4).collect();
        format!("{STARS}{tail}")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn mask_shows_at_most_the_last_four() {
        for (value, mask) in [
            ("", "********"),
            ("short-key-1", "********"),
            ("dd-key-00001f2e", "********1f2e"),
            ("schlüssel-äöüß", "********äöüß"),
        ] {
            assert_eq!(Secret::new(value.to_owned()).mask(), mask);
        }
    }

    #[test]
    fn debug_does_not_show_the_value() {
        assert_eq!(format!("{:?}", Secret::new("canary".to_owned())), "Secret(..)");
    }
}
