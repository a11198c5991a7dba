//! etcd's settings.

use crate::profile::Dialect;

claims! {
    /// What the host's etcd understands.
    pub struct Etcd {
        /// `--pre-vote`.
        pub asks_before_voting: bool,
        /// `--logger` and `--log-outputs`; before, it wrote to the journal by itself.
        pub chooses_logger: bool,
        /// `--tls-min-version`, in every release of the line.
        pub bounds_tls: bool,
    }
}

impl From<&Dialect> for Etcd {
    fn from(dialect: &Dialect) -> Self {
        let of_3_4 = dialect.is_at_least(&[3, 4]);
        Self {
            asks_before_voting: of_3_4,
            chooses_logger: of_3_4,
            bounds_tls: dialect.is_at_least(&[3, 6]),
        }
    }
}
