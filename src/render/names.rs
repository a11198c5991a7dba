//! The nodes' names in each other's `/etc/hosts`.
//!
//! Nothing of the cluster needs them, but Python's HTTP server, which carries
//! Patroni's REST API, looks up the name of its own address when it starts
//! (`socket.getfqdn` in `http.server`): without an entry, and with a resolver
//! that is out of reach, each start would wait for that to time out.

use super::RenderError;
use super::draft::Draft;
use super::site::Site;

/// hosts(5).
const HOSTS: &str = "/etc/hosts";

/// Adds the block; it is the same in all roles of all nodes.
pub fn render(site: &Site<'_>, draft: &mut Draft) -> Result<(), RenderError> {
    let line = |node: &crate::spec::Node| format!("{} {}\n", node.address.addr(), node.name);
    draft.block(HOSTS, site.plan.spec.nodes.iter().map(line).collect())
}
