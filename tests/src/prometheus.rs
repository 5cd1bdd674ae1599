//! A Prometheus that looks at one exporter, every second.

use crate::ports::Ports;
use crate::{Ran, Receiver, until};
use serde_json::Value;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long it may take to begin, and to have looked.
const SOON: Duration = Duration::from_secs(30);

/// A running Prometheus. Dropping it ends it.
#[derive(Debug)]
pub struct Prometheus {
    ports: Ports,
    child: Child,
}

impl Prometheus {
    /// Starts one in a directory.
    ///
    /// # Panics
    /// When it does not begin.
    #[must_use]
    pub fn scraping(exporter: &Receiver, directory: &Path) -> Self {
        let ports = Ports::take().expect("ports are free");
        let settings = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n\
             - {{job_name: test, static_configs: [{{targets: ['{}']}}]}}\n",
            exporter.address()
        );
        let file = directory.join("prometheus.yml");
        std::fs::write(&file, settings).expect("the directory takes files");
        let log =
            File::create(directory.join("prometheus.log")).expect("the directory takes files");
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("prometheus").display()))
            .arg(format!("--web.listen-address={}", ports.http))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("prometheus is installed: scripts/install-needs.sh");
        Self { ports, child }
    }

    /// Where its API is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.ports.http)
    }

    /// Waits until it knows a series.
    ///
    /// # Panics
    /// When it never does.
    pub fn knows(&self, series: &str) {
        until("prometheus knows the series", SOON, || {
            let mut curl = Command::new("curl");
            curl.args(["-s", "--data-urlencode", &format!("query={series}")]);
            curl.arg(format!("{}/api/v1/query", self.url()));
            let answer: Value = serde_json::from_str(&Ran::of(curl).stdout).unwrap_or_default();
            answer["data"]["result"].as_array().is_some_and(|result| !result.is_empty())
        });
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
