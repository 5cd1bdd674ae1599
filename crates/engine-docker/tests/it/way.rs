//! A way to an engine that is watched: how much is sent, and one kind of request takes its time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

/// The socket, for as long as it is held.
pub(crate) struct Way {
    directory: TempDir,
    sent: Arc<AtomicUsize>,
}

impl Way {
    /// Lets everything pass.
    pub(crate) fn to(host: &str) -> Self {
        Self::slow(host, "(nothing)", Duration::ZERO)
    }

    /// How many bytes the engine was sent.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    /// Lets requests for paths that end so wait before the engine behind `host` hears of them.
    pub(crate) fn slow(host: &str, path: &'static str, wait: Duration) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("sock")).unwrap();
        let engine = PathBuf::from(host.trim_start_matches("unix://"));
        let sent = Arc::<AtomicUsize>::default();
        let counter = sent.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (engine, sent) = (engine.clone(), counter.clone());
                tokio::spawn(async move { carry(client, &engine, path, wait, &sent).await });
            }
        });
        Self { directory, sent }
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.directory.path().join("sock").display())
    }
}

async fn carry(client: UnixStream, engine: &Path, path: &str, wait: Duration, sent: &AtomicUsize) {
    let engine = UnixStream::connect(engine).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_engine, mut to_engine) = engine.into_split();
    let there = async {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
            let line = bytes[..count].split(|byte| *byte == b'\r').next().unwrap_or_default();
            if String::from_utf8_lossy(line).ends_with(&format!("{path} HTTP/1.1")) {
                tokio::time::sleep(wait).await;
            }
            sent.fetch_add(count, Ordering::Relaxed);
            if to_engine.write_all(&bytes[..count]).await.is_err() {
                break;
            }
        }
    };
    let back = tokio::io::copy(&mut from_engine, &mut to_client);
    // Whichever side leaves first has nothing more to hear.
    tokio::select! {
        () = there => {}
        _ = back => {}
    }
}
