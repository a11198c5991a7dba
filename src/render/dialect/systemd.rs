//! systemd's units. The versions are those of its NEWS.

use crate::profile::Dialect;

claims! {
    /// What the host's systemd understands of a unit.
    pub struct Systemd {
        /// `StartLimitIntervalSec=` in `[Unit]`; before it was `StartLimitInterval=` in `[Service]`.
        pub limits_starts_in_unit: bool,
        /// How `TimeoutStartSec=` is switched off: `infinity`; before, 0, as
        /// that was added to the time of day, and so was over at once.
        pub no_timeout: &'static str,
        /// `+` before a program runs it as root; before, `PermissionsStartOnly=`
        /// did so for all lines but `ExecStart=`.
        pub runs_as_root_by_plus: bool,
        /// `ProtectKernelTunables=`, `ProtectKernelModules=`, `ProtectControlGroups=`.
        pub protects_kernel: bool,
        /// `RuntimeDirectoryPreserve=`; before, a folder that outlives its unit is
        /// tmpfiles.d(5)'s to make.
        pub keeps_runtime_directory: bool,
        /// `LockPersonality=`.
        pub locks_personality: bool,
        /// `RestrictSUIDSGID=`.
        pub restricts_suid: bool,
    }
}

impl From<&Dialect> for Systemd {
    fn from(dialect: &Dialect) -> Self {
        let since = |version: u32| dialect.is_at_least(&[version]);
        Self {
            limits_starts_in_unit: since(230),
            no_timeout: if since(229) { "infinity" } else { "0" },
            runs_as_root_by_plus: since(231),
            protects_kernel: since(232),
            keeps_runtime_directory: since(235),
            locks_personality: since(235),
            restricts_suid: since(242),
        }
    }
}
