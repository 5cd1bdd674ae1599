//! The nodes of a Swarm.

use super::read::{self, Places};
use crate::connection::SOON;
use crate::inner::Inner;
use crate::trouble::Trouble;
use bollard::Docker;
use bollard::models::{Node, NodeSpecAvailabilityEnum, NodeState};
use bollard::query_parameters::ListNodesOptions;
use kiln_engine::Resources;
use kiln_keeper::Size;
use kiln_names::ByteSize;

/// The nodes by id.
pub(crate) async fn places(inner: &Inner) -> Result<Places, Trouble> {
    Ok(read::places(list(inner).await?))
}

/// All nodes.
pub(crate) async fn list(inner: &Inner) -> Result<Vec<Node>, Trouble> {
    let list = |docker: Docker| async move { docker.list_nodes(None::<ListNodesOptions>).await };
    inner.connection.ask(SOON, list).await
}

/// What the nodes have together that take tasks.
pub(crate) async fn size(inner: &Inner) -> Result<Size, Trouble> {
    let nodes = list(inner).await?;
    let total = nodes.iter().filter(|node| is_ready(node)).filter_map(resources).fold(
        Resources::default(),
        |sum, (cpu_millis, memory)| Resources {
            cpu_millis: sum.cpu_millis.saturating_add(cpu_millis),
            memory: ByteSize(sum.memory.0.saturating_add(memory)),
        },
    );
    Ok(Size { total, memory_used: None })
}

/// Whether a node takes tasks.
pub(crate) fn is_ready(node: &Node) -> bool {
    let state = node.status.as_ref().and_then(|status| status.state);
    let availability = node.spec.as_ref().and_then(|spec| spec.availability);
    state == Some(NodeState::READY) && availability == Some(NodeSpecAvailabilityEnum::ACTIVE)
}

fn resources(node: &Node) -> Option<(u64, u64)> {
    let resources = node.description.as_ref()?.resources.as_ref()?;
    let number = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
    Some((number(resources.nano_cpus) / 1_000_000, number(resources.memory_bytes)))
}
