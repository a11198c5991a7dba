//! The program of a host: it reads the identity document, takes the bundles
//! it pins, installs them and waits until the cluster serves.
//!
//! Promises:
//! - every step can be repeated and can be cut off at any instant: a file or a
//!   folder is synced before the name that others look for points to it;
//! - nothing outside `/var/lib/pgbundle` is written before the preflight;
//! - no data of another is touched: such a host is refused, by name;
//! - no secret reaches a log, a report or a file that others can read.
//!
//! Design: the steps are values in one list ([`steps::all`]); `up`, `upgrade`,
//! `uninstall`, `steps` and `verify` are folds over it. Everything takes a root folder ([`host::Host`])
//! and speaks to the system through one trait ([`system::System`]), so tests
//! run on a temporary folder. Debian's hosts and EL's differ in the arms of
//! [`packages::PackageManager`]: its calls, what the manager installs from
//! ([`repository`]), its records ([`records`]) and what is mended of both
//! after a power cut ([`mending`]).

pub mod accounts;
pub mod anew;
mod arp;
mod block;
pub mod brought;
pub mod bundles;
pub mod cli;
pub mod clock;
pub mod console;
pub mod durable;
pub mod etcd_meeting;
pub mod etcd_members;
mod etcd_replace;
pub mod etcd_start;
pub mod facts;
pub mod files;
pub mod firewall;
pub mod first_boot;
pub mod guard;
pub mod health;
pub mod held;
pub mod host;
pub mod http;
pub mod identity;
pub mod initdb;
pub mod installing;
mod jumps;
mod leaving;
pub mod marker;
pub mod media;
pub mod mending;
pub mod narrator;
pub mod notify;
mod offered;
mod operating_system;
mod ownerless;
mod package_shell;
mod package_steps;
pub mod packages;
mod patroni;
pub mod patroni_keys;
pub mod pending;
mod pg_control;
pub mod place;
mod postmaster;
pub mod preflight;
pub mod python;
pub mod records;
pub mod reminder;
pub mod removing;
pub mod repository;
pub mod selfcheck;
pub mod selinux;
pub mod services;
mod space;
pub mod status;
pub mod step;
pub mod steps;
pub mod stop;
mod superseded;
pub mod system;
pub mod systemctl;
pub mod transport;
mod twin;
pub mod undoing;
pub mod unfinished;
pub mod uninstall;
pub mod uninstalled;
pub mod unit_waits;
pub mod units;
pub mod unpacker;
pub mod up;
pub mod upgrade;
pub mod verify;
pub mod wal;
