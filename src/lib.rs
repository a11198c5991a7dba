//! pgbundle: offline bundles and cloud-init seeds from which fresh hosts
//! assemble a PostgreSQL HA cluster by themselves. Start reading here.
//!
//! # The way from a spec to a cluster
//!
//! ```text
//! cluster.toml ─► Spec ──┐                  package indexes (signed) + what the base image has
//!                        ├─► Plan ─────────► closure ─► Lock            (<spec>.<profile>-<arch>.lock)
//! profiles/*.toml ► Profile                               │
//!                                 Plan + Lock ─► LockedPlan             (exists only when the lock covers the plan)
//!               ┌────────────────────────┴─────────────────┐
//!        store::fetch ─► blobs (hashed when copied)   render ─► files, units, services of each role on each node
//!               └──────────────► archive::{tar, iso} ◄─────┘
//!                                     │
//!                      bundle::seal ─► Manifest + signature ─► verify   (workstation and node: the same code)
//!                                     │
//!                 seed: identity document in user-data, NoCloud ISO
//!                                     │
//!                      on the host: stub ─► pgbundle-node up ─► a serving cluster
//! ```
//!
//! # What always holds
//!
//! 1. Everything from spec to tree is pure: no disk, network, clock,
//!    environment, process or randomness. Same values in, same bytes out.
//! 2. On the workstation only [`store`]'s `http` opens sockets, and only `lock`
//!    and `fetch` reach it (`build` calls them first when something is missing).
//!    Python wheels are brought by the machine's own pip, which `fetch` runs
//!    and which is told every digest.
//!    On the host only the transport of bundles, the health questions, and the
//!    questions to peers before a start do.
//! 3. Nothing lists a folder to decide what goes into an output: every loop
//!    runs over the lock or the tree.
//! 4. Time enters once (`SOURCE_DATE_EPOCH`, else the lock's own date). What is
//!    written out is sorted.
//! 5. A bundle holds no secret. What in it comes from chance (CA certificates,
//!    the cluster's id, etcd's token, the signature) comes from the operator's
//!    `secrets/` folder, so that whoever has it, the lock and the spec rebuilds
//!    the bundle bit for bit. Secrets live in that folder and in each node's
//!    seed, which holds what that node's roles need and no more; the CA's
//!    private key is in neither bundle nor seed.
//! 6. The lock names files and digests, never hosts: any mirror will do, because
//!    what it serves must carry the right signature, origin and codename.
//! 7. A bundle is used only after its digest matched and every file in it
//!    matched its manifest. The host's package manager installs from that
//!    bundle's repository with every other source switched off.
//! 8. Every step on a host can be repeated and can be cut off at any instant. A
//!    step that would touch data which this cluster did not write refuses.
//!
//! # The code, in the order of the pipeline
//!
//! | module | what it turns into what |
//! |---|---|
//! | [`base`] | text into digests, names, paths, times |
//! | [`document`] | TOML into values, with every fault of the text |
//! | [`spec`], [`profile`], [`library`] | documents into `Spec` and `Profile` |
//! | [`plan`] | spec × profile into a `Plan` |
//! | [`repo`] | signed indexes into one model of packages |
//! | [`solve`] | roots and a base image into a closure |
//! | [`lock`] | a closure into a `Lock`, a plan and a lock into a `LockedPlan` |
//! | [`store`] | wants into blobs that match their digest |
//! | [`wheel`] | pinned Python wheels into the store, through the machine's own pip |
//! | [`render`] | a plan into the files, units and services of each node |
//! | [`identity`] | the operator's `secrets/` folder: CA, keys, passwords |
//! | [`bundle`] | files into a sealed bundle, a bundle into what was verified |
//! | [`archive`] | trees and blobs into `.tar.gz` and ISO |
//! | [`seed`] | an identity into user-data and a NoCloud ISO |
//! | [`build`] | all of the above into `dist/` |
//! | [`node`] | on the host: steps, guards, the report |
//! | [`cli`] | arguments into calls, errors into messages |
//!
//! `base`, `bundle`, `archive::untar`, `seed::identity` and `node` are all that
//! `pgbundle-node` is made of; the rest is behind the feature `workstation`.

pub mod archive;
pub mod base;
#[cfg(feature = "workstation")]
pub mod build;
pub mod bundle;
#[cfg(feature = "workstation")]
pub mod cli;
#[cfg(feature = "workstation")]
pub mod document;
#[cfg(feature = "workstation")]
pub mod identity;
#[cfg(feature = "workstation")]
pub mod library;
#[cfg(feature = "workstation")]
pub mod lock;
pub mod node;
#[cfg(feature = "workstation")]
pub mod plan;
#[cfg(feature = "workstation")]
pub mod profile;
#[cfg(feature = "workstation")]
pub mod render;
#[cfg(feature = "workstation")]
pub mod repo;
pub mod seed;
#[cfg(feature = "workstation")]
pub mod solve;
#[cfg(feature = "workstation")]
pub mod spec;
#[cfg(feature = "workstation")]
pub mod store;
#[cfg(feature = "workstation")]
pub mod tree;
#[cfg(feature = "workstation")]
pub mod wheel;
