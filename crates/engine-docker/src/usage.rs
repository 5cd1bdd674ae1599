//! What containers use, as one engine counts it.

use crate::connection::SOON;
use crate::inner::Inner;
use crate::settings::Mode;
use bollard::Docker;
use bollard::models::ContainerStatsResponse;
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::{StreamExt as _, stream};
use kiln_engine::Usage;
use kiln_keeper::Sample;
use kiln_names::{ByteSize, InstanceId};
use std::time::Duration;

/// How many are asked for at once.
const AT_ONCE: usize = 8;

/// What instances use; a Swarm does not tell.
pub(crate) async fn of(inner: &Inner, ids: Vec<InstanceId>) -> Vec<Sample> {
    if inner.settings.engine.mode == Mode::Swarm {
        return Vec::new();
    }
    let samples = stream::iter(ids).map(|id| one(inner, id)).buffer_unordered(AT_ONCE);
    samples.filter_map(std::future::ready).collect().await
}

async fn one(inner: &Inner, id: InstanceId) -> Option<Sample> {
    let name = inner.owner.name(id);
    let ask = |docker: Docker| async move {
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        std::pin::pin!(docker.stats(&name, Some(options))).next().await.transpose()
    };
    sample(id, &inner.connection.ask(SOON, ask).await.ok()??)
}

fn sample(id: InstanceId, stats: &ContainerStatsResponse) -> Option<Sample> {
    let memory = stats.memory_stats.as_ref()?;
    let used = ByteSize(memory.usage?);
    // Control groups of the second version keep no peak that Docker would tell.
    let peak = memory.max_usage.map_or(used, ByteSize).max(used);
    let cpu = stats.cpu_stats.as_ref().and_then(|cpu| cpu.cpu_usage.as_ref()?.total_usage);
    let usage = Usage { memory: used, memory_peak: peak, out_of_memory: 0, cpu_millis: None };
    Some(Sample { id, usage, cpu: cpu.map(Duration::from_nanos) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn memory_its_peak_and_processor_time_are_read() {
        let id = InstanceId::from_random([1; 6]);
        let read = |json| sample(id, &serde_json::from_value(json).unwrap());
        let stats = json!({"memory_stats": {"usage": 4096, "max_usage": 8192},
            "cpu_stats": {"cpu_usage": {"total_usage": 5_000_000}}});
        let told = read(stats).unwrap();
        assert_eq!((told.usage.memory, told.usage.memory_peak), (ByteSize(4096), ByteSize(8192)));
        assert_eq!(told.cpu, Some(Duration::from_millis(5)));
        assert!(read(json!({})).is_none());
    }
}
