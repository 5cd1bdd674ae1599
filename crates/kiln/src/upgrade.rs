//! `kiln upgrade`: a newer program takes over from the one that runs, and no request notices.

use crate::chain::chain;
use crate::data::Data;
use crate::down::{CONFLICT, managed};
use crate::parts::{Parts, Start};
use crate::role::{Player, Role, turn};
use crate::say;
use anyhow::{Context, Result};
use kiln_cli::Globals;
use kiln_cli::commands::upgrade::Upgrade;
use kiln_protocol::Exit;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

/// Upgrades what runs, or leaves it as it is and says why.
pub(crate) fn run(globals: &Globals, options: &Upgrade) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    say::conclude(runtime.context("start").and_then(|rt| rt.block_on(upgrade(globals, options))))
}

async fn upgrade(globals: &Globals, options: &Upgrade) -> Result<ExitCode> {
    let Some(data) = Data::existing(&globals.data)? else {
        say::complain("nothing was ever started there", Some("kiln up starts Kiln."));
        return Ok(Exit::NotFound.into());
    };
    let _turn = turn(&data).await?;
    let parts = Parts::new(data)?;
    let program = options.program.as_deref().unwrap_or(Path::new("/proc/self/exe"));
    let program = parts.data.keep(program).context("keep the new program")?;
    if let Err(error) = parts.check(&program).await {
        say::complain(&format!("failed to {}", chain(&error)), Some("Nothing has changed."));
        parts
            .data
            .forget_programs_but(&used(&parts.data).iter().map(|p| &**p).collect::<Vec<_>>())?;
        return Ok(Exit::Invalid.into());
    }
    if let Some(role) = managed(&parts.data) {
        let text =
            format!("a service manager runs the {}; the new program suits the data", role.name());
        let hint = "systemctl reload kiln-router && systemctl restart kiln-server";
        say::complain(&text, Some(hint));
        return Ok(ExitCode::from(CONFLICT));
    }
    // The router first: it understands what servers before it say, and not the other way round.
    let router = part(&parts, Role::Router, &program).await?;
    let server = part(&parts, Role::Server, &program).await?;
    let used = used(&parts.data);
    parts.data.forget_programs_but(&used.iter().map(|p| &**p).collect::<Vec<_>>())?;
    if globals.json {
        say::data(&json!({ "router": router, "server": server }).to_string());
    }
    Ok(ExitCode::SUCCESS)
}

/// The programs that parts run from.
fn used(data: &Data) -> Vec<std::path::PathBuf> {
    let players = [Role::Up, Role::Server, Role::Router].map(|role| role.player(data));
    players.into_iter().flatten().map(|player| player.program).collect()
}

/// Lets the new program take over one part, and says how that went.
async fn part(parts: &Parts, role: Role, program: &Path) -> Result<Value> {
    let name = role.name();
    let (word, player): (_, Option<Player>) = match role.player(&parts.data) {
        None => ("absent", None),
        Some(player) if player.program == program => ("unchanged", Some(player)),
        Some(earlier) => {
            let start = Start::like(&earlier, program)?;
            let next = parts.succeed(role, &earlier, &start).await;
            let next =
                next.with_context(|| format!("upgrade the {name}; the earlier one goes on"))?;
            ("upgraded", Some(next))
        }
    };
    say::note(&match word {
        "absent" => format!("No {name} runs; the next kiln up starts one."),
        "unchanged" => format!("The {name} runs from this program already."),
        _ => format!("The {name} is the new one."),
    });
    Ok(json!({ "was": word, "pid": player.map(|player| player.process.pid) }))
}
