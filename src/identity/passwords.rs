//! The passwords of a cluster: drawn once, kept in `passwords.json`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use serde::{Deserialize, Serialize};

use super::random::{NoRandom, Random, draw};
use crate::base::{SchemaVersion, Secret};

/// Who has a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Account {
    /// PostgreSQL's superuser: Patroni, and people through the VIP.
    Superuser,
    /// Replication between the nodes.
    Replication,
    /// `pg_rewind`.
    Rewind,
    /// Patroni's REST API, where it changes something.
    RestApi,
    /// HAProxy's statistics page.
    Statistics,
}

impl Account {
    /// Every account.
    pub const ALL: [Self; 5] = [
        Self::Superuser,
        Self::Replication,
        Self::Rewind,
        Self::RestApi,
        Self::Statistics,
    ];
}

/// `passwords.json`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passwords {
    format: SchemaVersion<1>,
    passwords: BTreeMap<Account, String>,
}

impl Passwords {
    /// No password yet.
    pub fn empty() -> Self {
        Self {
            format: SchemaVersion,
            passwords: BTreeMap::new(),
        }
    }

    /// Draws the passwords that are missing; says whether any was.
    pub fn complete(&mut self, random: &mut dyn Random) -> Result<bool, NoRandom> {
        let before = self.passwords.len();
        for account in Account::ALL {
            if let Slot::Vacant(slot) = self.passwords.entry(account) {
                slot.insert(password(random)?);
            }
        }
        Ok(self.passwords.len() != before)
    }

    /// The password of `account`.
    pub fn of(&self, account: Account) -> Secret {
        let password = self.passwords.get(&account);
        Secret::new(password.expect("identities are completed before they are handed out"))
    }
}

/// Thirty-two letters and digits: 190 bits, and no configuration format and no
/// URL has to quote them.
fn password(random: &mut dyn Random) -> Result<String, NoRandom> {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::new();
    while text.len() < 32 {
        let [byte] = draw::<1>(random)?;
        // 248 is the largest multiple of 62 in a byte: taking more would favour some letters.
        if byte < 248 {
            text.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
        }
    }
    Ok(text)
}
