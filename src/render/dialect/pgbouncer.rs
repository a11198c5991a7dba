//! PgBouncer's settings.

use crate::profile::Dialect;

claims! {
    /// What the host's PgBouncer understands.
    pub struct Pgbouncer {
        /// `auth_dbname`: roles are looked up in one database; before, in the one
        /// that the client asks for.
        pub looks_up_in_one_database: bool,
    }
}

impl From<&Dialect> for Pgbouncer {
    fn from(dialect: &Dialect) -> Self {
        Self {
            looks_up_in_one_database: dialect.is_at_least(&[1, 19]),
        }
    }
}
