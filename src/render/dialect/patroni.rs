//! Patroni's own code, as far as it is mended (`bundles/postgres/patroni.py.j2`).
//!
//! Its settings are the same in 3.0 to 4.1: what 4.0 dropped (`bootstrap.users`)
//! and renamed (the role `master`) is not used.

use crate::profile::Dialect;

claims! {
    /// How the host's Patroni is mended.
    pub struct Patroni {
        /// `Etcd3Client._handle_server_response` takes the client itself; before, it was static.
        pub answers_by_method: bool,
    }
}

impl From<&Dialect> for Patroni {
    fn from(dialect: &Dialect) -> Self {
        Self {
            answers_by_method: dialect.is_at_least(&[3, 1]),
        }
    }
}
