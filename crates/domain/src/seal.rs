//! Encryption of configurations at rest.
//!
//! One data key per account, wrapped by the master key. A sealed text carries its format
//! version, the id of its data key and a random nonce; what it belongs to is bound in as
//! associated data, so that a row copied to another place does not open.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest,
    rand::{SecureRandom, SystemRandom},
};
use zeroize::Zeroizing;

use crate::{AccountId, SubscriptionId};

const FORMAT: u8 = 1;
const KEY_BYTES: usize = 32;

/// What a sealed text belongs to.
#[derive(Clone, Copy, Debug)]
pub struct SealContext<'a> {
    /// The tenant whose data key seals it.
    pub account: AccountId,
    /// The subscription it configures.
    pub subscription: SubscriptionId,
    /// Which of the subscription's texts it is, such as `config`.
    pub field: &'a str,
}

/// Why a text could not be sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The account's data key cannot be unwrapped: the master key is missing or another one.
    #[error("the master key does not open the data key of this account")]
    MasterKey,
    /// The sealed bytes were cut, changed or moved here from elsewhere.
    #[error("the sealed text does not open")]
    Corrupt,
    /// The operating system gave no random bytes.
    #[error("no random bytes")]
    Random,
    /// The account has no data key, or the store could not tell.
    #[error("the data key is not at hand: {0}")]
    Unavailable(String),
}

/// Seals and opens the texts of accounts.
pub trait Keys: Send + Sync {
    /// Encrypts `plain` so that it opens only in the same `context`.
    ///
    /// # Errors
    /// [`SealError`] when the account's key is not at hand.
    fn seal(&self, context: SealContext<'_>, plain: &[u8]) -> Result<Vec<u8>, SealError>;

    /// Decrypts what [`Keys::seal`] gave for the same `context`.
    ///
    /// # Errors
    /// [`SealError`] when the key is not at hand or the bytes do not belong here.
    fn open(&self, context: SealContext<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError>;
}

/// The key that wraps the data keys of all accounts.
pub struct MasterKey(KeyBytes);

impl MasterKey {
    /// Length of the key in bytes.
    pub const BYTES: usize = KEY_BYTES;

    /// Takes a key over, as read from its file.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(KeyBytes(Zeroizing::new(bytes)))
    }

    /// Names the key without telling it: the first eight bytes of a hash of it.
    pub fn fingerprint(&self) -> [u8; 8] {
        let hash = digest::digest(&digest::SHA256, &[b"auditcast master key ", self.0.0.as_slice()].concat());
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_ref()[..8]);
        first
    }

    /// Wraps a data key for storage.
    ///
    /// # Errors
    /// [`SealError::Random`] when the system gives no random bytes.
    pub fn wrap(&self, account: AccountId, key: &DataKey) -> Result<Vec<u8>, SealError> {
        self.0.seal(&wrap_context(account, key.id), key.bytes.0.as_slice())
    }

    /// Unwraps a data key from storage.
    ///
    /// # Errors
    /// [`SealError::MasterKey`] when this is not the key that wrapped it.
    pub fn unwrap_key(&self, account: AccountId, id: u32, wrapped: &[u8]) -> Result<DataKey, SealError> {
        let plain = self.0.open(&wrap_context(account, id), wrapped).map_err(|_| SealError::MasterKey)?;
        let bytes = <[u8; KEY_BYTES]>::try_from(plain.as_slice()).map_err(|_| SealError::MasterKey)?;
        Ok(DataKey { id, bytes: KeyBytes(Zeroizing::new(bytes)) })
    }
}

/// The key that seals the texts of one account.
#[derive(Clone)]
pub struct DataKey {
    id: u32,
    bytes: KeyBytes,
}

impl DataKey {
    /// A fresh random key.
    ///
    /// # Errors
    /// [`SealError::Random`] when the system gives no random bytes.
    pub fn generate(id: u32) -> Result<Self, SealError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| SealError::Random)?;
        Ok(Self { id, bytes: KeyBytes(bytes) })
    }

    /// The number of the key within its account.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The number of the data key that sealed these bytes, if they are sealed bytes at all.
    pub fn id_of(sealed: &[u8]) -> Option<u32> {
        let (format, rest) = sealed.split_first()?;
        let id = rest.first_chunk::<4>()?;
        (*format == FORMAT).then(|| u32::from_be_bytes(*id))
    }

    /// Encrypts `plain`: format, key id, nonce, cipher text with its tag.
    ///
    /// # Errors
    /// [`SealError::Random`] when the system gives no random bytes.
    pub fn seal(&self, context: SealContext<'_>, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut sealed = vec![FORMAT];
        sealed.extend_from_slice(&self.id.to_be_bytes());
        sealed.extend_from_slice(&self.bytes.seal(&self.associated(context), plain)?);
        Ok(sealed)
    }

    /// Decrypts what [`DataKey::seal`] gave.
    ///
    /// # Errors
    /// [`SealError::Corrupt`] when key, context or bytes are not the same as then.
    pub fn open(&self, context: SealContext<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        if Self::id_of(sealed) != Some(self.id) {
            return Err(SealError::Corrupt);
        }
        self.bytes.open(&self.associated(context), &sealed[5..])
    }

    fn associated(&self, context: SealContext<'_>) -> Vec<u8> {
        let mut associated = vec![FORMAT];
        associated.extend_from_slice(&self.id.to_be_bytes());
        associated.extend_from_slice(context.account.as_bytes());
        associated.extend_from_slice(context.subscription.as_bytes());
        associated.extend_from_slice(context.field.as_bytes());
        associated
    }
}

#[derive(Clone)]
struct KeyBytes(Zeroizing<[u8; KEY_BYTES]>);

impl KeyBytes {
    fn cipher(&self) -> LessSafeKey {
        let key = UnboundKey::new(&AES_256_GCM, self.0.as_slice()).expect("the array has the length of an AES-256 key");
        LessSafeKey::new(key)
    }

    fn seal(&self, associated: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| SealError::Random)?;
        let mut text = plain.to_vec();
        self.cipher()
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(associated), &mut text)
            .map_err(|_| SealError::Corrupt)?;
        Ok([nonce.as_slice(), &text].concat())
    }

    fn open(&self, associated: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Corrupt)?;
        let mut text = Zeroizing::new(text.to_vec());
        let plain = self
            .cipher()
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(associated), &mut text)
            .map_err(|_| SealError::Corrupt)?
            .len();
        text.truncate(plain);
        Ok(text)
    }
}

fn wrap_context(account: AccountId, id: u32) -> Vec<u8> {
    [b"data key ".as_slice(), account.as_bytes(), &id.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::{DataKey, MasterKey, SealContext, SealError};
    use crate::{AccountId, SubscriptionId};

    const ACCOUNT: AccountId = AccountId::from_bytes([1; 12]);

    fn context(subscription: u8, field: &str) -> SealContext<'_> {
        SealContext { account: ACCOUNT, subscription: SubscriptionId::from_bytes([subscription; 12]), field }
    }

    #[test]
    fn a_sealed_text_opens_where_it_was_sealed_and_nowhere_else() {
        let key = DataKey::generate(7).expect("random bytes");
        let sealed = key.seal(context(1, "config"), b"canary").expect("seals");
        assert!(!sealed.windows(6).any(|window| window == b"canary"));
        assert_eq!(DataKey::id_of(&sealed), Some(7));
        assert_eq!(key.open(context(1, "config"), &sealed).expect("opens").as_slice(), b"canary");
        assert_eq!(key.open(context(2, "config"), &sealed), Err(SealError::Corrupt));
        assert_eq!(key.open(context(1, "headers"), &sealed), Err(SealError::Corrupt));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key.open(context(1, "config"), &changed), Err(SealError::Corrupt), "byte {at}");
        }
    }

    #[test]
    fn only_the_master_key_that_wrapped_a_data_key_unwraps_it() {
        let key = DataKey::generate(1).expect("random bytes");
        let wrapped = MasterKey::from_bytes([1; 32]).wrap(ACCOUNT, &key).expect("wraps");
        let sealed = key.seal(context(1, "config"), b"text").expect("seals");
        let again = MasterKey::from_bytes([1; 32]).unwrap_key(ACCOUNT, 1, &wrapped).expect("unwraps");
        assert_eq!(again.open(context(1, "config"), &sealed).expect("opens").as_slice(), b"text");
        let other = MasterKey::from_bytes([2; 32]).unwrap_key(ACCOUNT, 1, &wrapped);
        assert_eq!(other.err(), Some(SealError::MasterKey));
    }
}
