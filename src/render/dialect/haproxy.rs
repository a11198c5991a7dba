//! HAProxy: settings and command line.

use crate::profile::Dialect;

claims! {
    /// What the host's HAProxy understands.
    pub struct Haproxy {
        /// `log stdout`; before, logs went to a socket, which lies outside of a `chroot`.
        pub logs_to_stdout: bool,
        /// `hard-stop-after`.
        pub stops_for_good: bool,
        /// `check` and all of TLS on a `default-server` line; before, on each `server` line.
        pub default_server_checks: bool,
        /// A master process of its own (`-Ws`); before, a wrapper started it (`-Ds`).
        pub has_master: bool,
        /// The master's command line is a socket (`-S`).
        pub has_master_socket: bool,
    }
}

impl From<&Dialect> for Haproxy {
    fn from(dialect: &Dialect) -> Self {
        let (of_1_8, of_1_9) = (dialect.is_at_least(&[1, 8]), dialect.is_at_least(&[1, 9]));
        Self {
            logs_to_stdout: of_1_9,
            stops_for_good: of_1_8,
            default_server_checks: of_1_8,
            has_master: of_1_8,
            has_master_socket: of_1_9,
        }
    }
}
