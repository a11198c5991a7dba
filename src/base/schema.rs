//! Format versions that are checked while a file is parsed.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The file says that it has exactly version `N` of its format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchemaVersion<const N: u32>;

impl<const N: u32> Serialize for SchemaVersion<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(N)
    }
}

impl<'de, const N: u32> Deserialize<'de> for SchemaVersion<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = u32::deserialize(deserializer)?;
        if found == N {
            Ok(Self)
        } else {
            Err(serde::de::Error::custom(format!(
                "this file has format {found}; this program reads format {N}"
            )))
        }
    }
}
