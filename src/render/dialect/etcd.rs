//! etcd's settings.

use crate::bundle::start::EtcdGateway;
use crate::profile::Dialect;

claims! {
    /// What the host's etcd understands.
    pub struct Etcd {
        /// `--pre-vote`.
        pub asks_before_voting: bool,
        /// `--logger` and `--log-outputs`; before, it wrote to the journal by itself.
        pub chooses_logger: bool,
        /// Its JSON gateway at `/v3`; before, at `/v3beta`.
        pub has_stable_gateway: bool,
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
            has_stable_gateway: of_3_4,
            bounds_tls: dialect.is_at_least(&[3, 6]),
        }
    }
}

impl Etcd {
    /// Where it answers in JSON.
    pub fn gateway(&self) -> EtcdGateway {
        if self.has_stable_gateway {
            EtcdGateway::Stable
        } else {
            EtcdGateway::Beta
        }
    }
}
