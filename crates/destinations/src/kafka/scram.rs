//! A login by which the password is not sent: SCRAM (RFC 5802, RFC 7677) as Kafka speaks it,
//! without channel binding.

use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2, rand};
use base64::{Engine, engine::general_purpose::STANDARD};

/// Kafka's own tools make logins with 4096 to 16384 rounds. A server that asks for many more
/// only wants this one to be busy.
const ROUNDS_MAX: u32 = 20_000;
const NONCE_BYTES: usize = 18;

/// The hash of a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha512,
}

/// The client's side of one login.
pub(super) struct Scram {
    hash: Hash,
    password: String,
    nonce: String,
    /// The first message without its beginning, of which the proof is made, too.
    first: String,
}

/// The last message, and what the server has to answer to show that it knows the password, too.
pub(super) struct Last {
    pub(super) message: String,
    signature: Vec<u8>,
}

impl Scram {
    /// # Errors
    /// When the system has no random bytes.
    pub(super) fn new(hash: Hash, username: &str, password: &str) -> Result<Self, &'static str> {
        let mut bytes = [0; NONCE_BYTES];
        rand::fill(&mut bytes).map_err(|_| "the system has no random bytes")?;
        Ok(Self::with_nonce(hash, username, password, STANDARD.encode(bytes)))
    }

    fn with_nonce(hash: Hash, username: &str, password: &str, nonce: String) -> Self {
        let name = username.replace('=', "=3D").replace(',', "=2C");
        Self { hash, password: password.to_owned(), first: format!("n={name},r={nonce}"), nonce }
    }

    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.first)
    }

    /// Answers the server's first message.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn last(&self, answer: &[u8]) -> Result<Last, &'static str> {
        let answer = std::str::from_utf8(answer).map_err(|_| UNREADABLE)?;
        let (nonce, salt, rounds) = parts(answer).ok_or(UNREADABLE)?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("the broker's login answers another one");
        }
        if rounds.get() > ROUNDS_MAX {
            return Err("the broker asks for too many rounds of its login");
        }
        let (digest_algorithm, hmac_algorithm, derive) = match self.hash {
            Hash::Sha256 => (&digest::SHA256, hmac::HMAC_SHA256, pbkdf2::PBKDF2_HMAC_SHA256),
            Hash::Sha512 => (&digest::SHA512, hmac::HMAC_SHA512, pbkdf2::PBKDF2_HMAC_SHA512),
        };
        let mac = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac_algorithm, key), text);
        let mut salted = vec![0; digest_algorithm.output_len()];
        pbkdf2::derive(derive, rounds, &salt, self.password.as_bytes(), &mut salted);
        // `biws` stands for no channel binding.
        let last = format!("c=biws,r={nonce}");
        let signed = format!("{},{answer},{last}", self.first);
        let client_key = mac(&salted, b"Client Key");
        let stored_key = digest::digest(digest_algorithm, client_key.as_ref());
        let client_signature = mac(stored_key.as_ref(), signed.as_bytes());
        let proof: Vec<u8> =
            client_key.as_ref().iter().zip(client_signature.as_ref()).map(|(key, signature)| key ^ signature).collect();
        let server_key = mac(&salted, b"Server Key");
        let signature = mac(server_key.as_ref(), signed.as_bytes()).as_ref().to_vec();
        Ok(Last { message: format!("{last},p={}", STANDARD.encode(proof)), signature })
    }
}

const UNREADABLE: &str = "the broker's login cannot be read";

/// Nonce, salt and rounds of the server's first message.
fn parts(answer: &str) -> Option<(&str, Vec<u8>, NonZeroU32)> {
    let mut parts = answer.split(',');
    let nonce = parts.next()?.strip_prefix("r=")?;
    let salt = STANDARD.decode(parts.next()?.strip_prefix("s=")?).ok()?;
    let rounds = parts.next()?.strip_prefix("i=")?.parse().ok()?;
    Some((nonce, salt, rounds))
}

impl Last {
    /// Whether the server's last message is that of a server that knows the password.
    pub(super) fn is_answered_by(&self, answer: &[u8]) -> bool {
        let given = answer.strip_prefix(b"v=").and_then(|given| STANDARD.decode(given).ok());
        given.is_some_and(|given| constant_time::verify_slices_are_equal(&given, &self.signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::{Hash, Scram};

    const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    /// The example of RFC 7677, 3.
    fn example() -> Scram {
        Scram::with_nonce(Hash::Sha256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO".to_owned())
    }

    #[test]
    fn the_example_of_the_rfc_comes_out() {
        let scram = example();
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let last = scram.last(SERVER_FIRST.as_bytes()).unwrap();
        let expected = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(last.message, expected);
        assert!(last.is_answered_by(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert!(!last.is_answered_by(b"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert!(!last.is_answered_by(b"e=invalid-proof"));
    }

    #[test]
    fn a_server_that_answers_something_else_gets_no_proof() {
        for answer in [
            "",
            "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=?,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000000000",
        ] {
            assert!(example().last(answer.as_bytes()).is_err(), "{answer}");
        }
    }

    #[test]
    fn a_name_is_escaped_and_each_login_has_a_nonce_of_its_own() {
        let one = Scram::new(Hash::Sha512, "a=b,c", "p").unwrap();
        assert!(one.first().starts_with("n,,n=a=3Db=2Cc,r="));
        assert_ne!(one.nonce, Scram::new(Hash::Sha512, "a=b,c", "p").unwrap().nonce);
        let answer = format!("r={}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", one.nonce);
        assert_eq!(one.last(answer.as_bytes()).unwrap().signature.len(), 64);
    }
}
