//! What most subscriptions have none of, most of the time.

use std::ops::{Deref, DerefMut};

/// A value that takes no room of its own while it is blank: there can be very many subscriptions
/// that have nothing to do.
#[derive(Debug)]
pub(crate) struct Seldom<T>(Option<Box<T>>);

/// A value that can be blank.
pub(crate) trait Blank: Default {
    /// A blank one for those who only look.
    fn blank() -> &'static Self;

    /// Whether there is nothing in it.
    fn is_blank(&self) -> bool;
}

impl<T: 'static> Blank for Vec<T> {
    fn blank() -> &'static Self {
        const { &Self::new() }
    }

    fn is_blank(&self) -> bool {
        self.is_empty()
    }
}

impl<T: Blank> Seldom<T> {
    /// The value, unless it takes no room: then there is nothing in it to change.
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    /// Takes the value out and leaves a blank one.
    pub(crate) fn take(&mut self) -> T {
        self.0.take().map_or_else(T::default, |value| *value)
    }

    /// Lets go of its room if it is blank.
    pub(crate) fn trim(&mut self) {
        if self.0.as_deref().is_some_and(Blank::is_blank) {
            self.0 = None;
        }
    }
}

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Blank + 'static> Deref for Seldom<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some(value) => value,
            None => T::blank(),
        }
    }
}

impl<T: Blank> From<T> for Seldom<T> {
    fn from(value: T) -> Self {
        Self((!value.is_blank()).then(|| Box::new(value)))
    }
}

impl<T: Blank + 'static> DerefMut for Seldom<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Seldom;

    #[test]
    fn what_is_blank_takes_no_room_and_what_is_not_stays() {
        let mut seldom = Seldom::<Vec<u8>>::default();
        assert!(seldom.is_empty() && seldom.0.is_none());
        seldom.push(7);
        seldom.trim();
        assert_eq!(*seldom, [7]);
        seldom.clear();
        assert!(seldom.0.is_some());
        seldom.trim();
        assert!(seldom.0.is_none() && seldom.get_mut().is_none());
        seldom.push(8);
        assert_eq!(seldom.get_mut(), Some(&mut vec![8]));
        assert_eq!(seldom.take(), [8]);
        assert!(seldom.0.is_none() && seldom.take().is_empty());
    }
}
