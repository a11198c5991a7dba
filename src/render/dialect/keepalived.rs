//! keepalived's settings.

use crate::profile::Dialect;

claims! {
    /// What the host's keepalived understands.
    pub struct Keepalived {
        /// `check_unicast_src` in an instance; before, `vrrp_check_unicast_src`
        /// among the global definitions.
        pub instances_check_sources: bool,
    }
}

impl From<&Dialect> for Keepalived {
    fn from(dialect: &Dialect) -> Self {
        Self {
            instances_check_sources: dialect.is_at_least(&[2, 1]),
        }
    }
}
