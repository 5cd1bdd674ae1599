//! `kiln restore`: a data directory of a backup.

use crate::say;
use anyhow::{Context, Result};
use kiln_backup::RestoreError;
use kiln_cli::Globals;
use kiln_cli::commands::restore::Restore;
use kiln_protocol::Exit;
use serde_json::json;
use std::fs::File;
use std::process::ExitCode;

/// Restores, or says why not.
pub(crate) fn run(globals: &Globals, options: &Restore) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    say::conclude(runtime.context("start").and_then(|rt| rt.block_on(restore(globals, options))))
}

async fn restore(globals: &Globals, options: &Restore) -> Result<ExitCode> {
    let archive =
        File::open(&options.file).with_context(|| format!("open {}", options.file.display()))?;
    let data = &globals.data;
    let restored = match kiln_backup::restore(archive, data).await {
        Ok(restored) => restored,
        Err(error) => return refuse(error),
    };
    if globals.json {
        let (files, bytes, images) = (restored.files, restored.bytes, restored.images);
        say::data(&json!({ "files": files, "bytes": bytes, "images": images }).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    say::note(&format!("{} files are restored.", restored.files));
    if !restored.images {
        say::note("There are no images: what was deployed must be baked and deployed again.");
    }
    say::note(&format!("kiln up --data {} starts it.", data.display()));
    Ok(ExitCode::SUCCESS)
}

fn refuse(error: RestoreError) -> Result<ExitCode> {
    let (exit, hint) = match &error {
        RestoreError::NotEmpty(_) => (Exit::Conflict, "--data names the directory to make."),
        RestoreError::Io(_) => (Exit::Internal, "Nothing has changed."),
        _ => (Exit::Invalid, "Nothing has changed."),
    };
    let error = anyhow::Error::new(error);
    say::complain(&format!("failed to {}", crate::chain::chain(&error)), Some(hint));
    Ok(exit.into())
}
