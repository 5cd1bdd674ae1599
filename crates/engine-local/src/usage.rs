//! What instances use, sampled now and then: the kernel keeps the peak, so nothing is missed.

use crate::inner::Inner;
use kiln_names::InstanceId;
use std::sync::Arc;
use std::time::Duration;

/// How often the use of memory is read.
const SAMPLE: Duration = Duration::from_secs(5);

/// Samples for as long as the server lives.
pub(crate) async fn sample(inner: Arc<Inner>) {
    loop {
        let running = inner.model().running();
        let machine = inner.clone();
        let read = move || {
            let usage = |id: InstanceId| machine.machine.usage(id).map(|usage| (id, usage));
            running.into_iter().filter_map(usage).collect::<Vec<_>>()
        };
        if let Ok(read) = tokio::task::spawn_blocking(read).await {
            let mut model = inner.model();
            for (id, usage) in read {
                if let Some((_, instance)) = model.live(id) {
                    instance.usage = Some(usage);
                }
            }
        }
        tokio::time::sleep(SAMPLE).await;
    }
}
