//! The cluster's passwords: drawn once, each with the salt of its verifier.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use serde::{Deserialize, Serialize};

use super::random::{NoRandom, Random, draw};
use super::scram::{self, SALT_BYTES};
use crate::base::{SchemaVersion, Secret};

/// Who has a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Account {
    /// PostgreSQL's superuser, as Patroni logs in.
    Superuser,
    /// Replication between the nodes.
    Replication,
    /// `pg_rewind`.
    Rewind,
    /// Patroni's REST API, where it changes something.
    RestApi,
    /// The user as whom PgBouncer looks up the others.
    PgBouncer,
    /// HAProxy's statistics page.
    Statistics,
    /// The first user of the database: whoever connects through the VIP.
    Application,
    /// keepalived's VRRP; eight characters, all that the protocol carries.
    Vrrp,
}

impl Account {
    /// Every account.
    pub const ALL: [Self; 8] = [
        Self::Superuser,
        Self::Replication,
        Self::Rewind,
        Self::RestApi,
        Self::PgBouncer,
        Self::Statistics,
        Self::Application,
        Self::Vrrp,
    ];

    fn characters(self) -> usize {
        match self {
            Self::Vrrp => 8,
            _ => 32,
        }
    }
}

/// `passwords.json`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passwords {
    format: SchemaVersion<1>,
    accounts: BTreeMap<Account, Entry>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    password: String,
    #[serde(with = "salt_in_hex")]
    salt: [u8; SALT_BYTES],
}

impl Passwords {
    /// No password yet.
    pub fn empty() -> Self {
        Self {
            format: SchemaVersion,
            accounts: BTreeMap::new(),
        }
    }

    /// Draws the passwords that are missing; says whether any was.
    pub fn complete(&mut self, random: &mut dyn Random) -> Result<bool, NoRandom> {
        let before = self.accounts.len();
        for account in Account::ALL {
            if let Slot::Vacant(slot) = self.accounts.entry(account) {
                slot.insert(Entry {
                    password: password(account.characters(), random)?,
                    salt: draw(random)?,
                });
            }
        }
        Ok(self.accounts.len() != before)
    }

    /// The password of `account`.
    pub fn of(&self, account: Account) -> Secret {
        Secret::new(&*self.entry(account).password)
    }

    /// Its verifier, the same each time, since the salt is kept with it.
    pub fn verifier_of(&self, account: Account) -> Secret {
        scram::scram_verifier(&self.of(account), &self.entry(account).salt)
    }

    fn entry(&self, account: Account) -> &Entry {
        let entry = self.accounts.get(&account);
        entry.expect("identities are completed before they are handed out")
    }
}

/// Letters and digits alone: no configuration format and no URL has to quote
/// them. Thirty-two of them carry 190 bits.
fn password(characters: usize, random: &mut dyn Random) -> Result<String, NoRandom> {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::new();
    while text.len() < characters {
        let [byte] = draw::<1>(random)?;
        // 248 is the largest multiple of 62 in a byte: taking more would favour some letters.
        if byte < 248 {
            text.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
        }
    }
    Ok(text)
}

/// The salt's form in JSON.
mod salt_in_hex {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::SALT_BYTES;

    pub fn serialize<S: Serializer>(salt: &[u8; SALT_BYTES], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(salt))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; SALT_BYTES], D::Error> {
        let mut salt = [0; SALT_BYTES];
        let text = String::deserialize(from)?;
        hex::decode_to_slice(text, &mut salt).map_err(D::Error::custom)?;
        Ok(salt)
    }
}
