//! The change sequence: a number that grows whenever a status is worth reading again.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The sequence, shared by all who change something.
#[derive(Debug, Clone)]
pub(crate) struct Changes(Arc<watch::Sender<u64>>);

impl Changes {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(1)))
    }

    /// Something changed.
    pub(crate) fn bump(&self) {
        self.0.send_modify(|seq| *seq += 1);
    }

    /// Where the sequence stands.
    pub(crate) fn now(&self) -> u64 {
        *self.0.borrow()
    }

    /// Waits until the sequence is beyond `seq`, at most `wait`.
    pub(crate) async fn beyond(&self, seq: u64, wait: Duration) {
        let mut receiver = self.0.subscribe();
        let beyond = receiver.wait_for(|now| *now > seq);
        // Both outcomes mean the same here: the caller reads the state as it is by now.
        drop(tokio::time::timeout(wait, beyond).await);
    }
}
