//! The certificates of a cluster as `certs list` shows them.

use super::x509::Fields;
use crate::base::{Epoch, NodeName};
use serde::Serialize;

/// A certificate in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The node that has it; none: a CA.
    pub node: Option<NodeName>,
    /// What it is for: `ca`, `etcd`, `patroni`, `postgres`.
    pub purpose: &'static str,
    /// Its serial number, hex.
    pub serial: String,
    /// From when it is valid.
    pub not_before: Epoch,
    /// Until when.
    pub not_after: Epoch,
    /// Whole days that remain; negative once it has expired.
    pub days_left: i64,
}

impl Listed {
    /// The entry of a certificate at the moment `now`.
    pub fn new(node: Option<NodeName>, purpose: &'static str, fields: &Fields, now: Epoch) -> Self {
        let left = fields.not_after.seconds() - now.seconds();
        Self {
            node,
            purpose,
            serial: fields.serial.clone(),
            not_before: fields.not_before,
            not_after: fields.not_after,
            days_left: left.div_euclid(86_400),
        }
    }
}
