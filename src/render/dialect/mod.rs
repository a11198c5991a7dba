//! What differs between the versions of a program, decided once for each: a
//! profile names the dialect, a template asks for what is named here.
//!
//! Each field is a claim about that version alone. Whether a package was built
//! with something (systemd's notifications) is the profile's to say.

/// A struct that a template can ask.
macro_rules! claims {
    ($(#[$about:meta])* pub struct $name:ident { $($(#[$field_about:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        pub struct $name { $($(#[$field_about])* pub $field: $type,)* }

        impl From<$name> for minijinja::Value {
            fn from(claims: $name) -> Self {
                minijinja::context! { $($field => claims.$field),* }
            }
        }
    };
}

mod etcd;
mod haproxy;
mod keepalived;
mod patroni;
mod pgbouncer;
mod systemd;

pub use etcd::Etcd;
pub use haproxy::Haproxy;
pub use keepalived::Keepalived;
pub use patroni::Patroni;
pub use pgbouncer::Pgbouncer;
pub use systemd::Systemd;
