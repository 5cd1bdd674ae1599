//! `kiln routers list`.

use crate::CliError;
use crate::session::Session;
use crate::table::Table;
use kiln_protocol::Exit;
use kiln_protocol::router::Router;

/// List the routers, and which table each carries
///
/// Every switch waits until all routers that are there carry it. One that was
/// not heard of for 15 s is away: it goes on with the table it has, is not
/// waited for, and gets the newest one when it is back.
///
/// Example:
///
///   kiln routers list
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct List {}

impl List {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let routers = session.client.routers().await?;
        session.output.list(&routers, words)?;
        Ok(Exit::Done)
    }
}

fn words(routers: &[Router]) -> String {
    let mut table = Table::new(["NAME", "STATE", "LISTENS AT", "TABLE", "HEARD"]);
    for Router { name, state, listen, table: number, heard } in routers {
        let name = name.as_ref().map_or_else(|| "(this machine)".to_owned(), ToString::to_string);
        let number = number.map(|number| format!("{}.{}", number.epoch, number.version));
        let known = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let listen = known(listen.map(|listen| listen.to_string()));
        let heard = known(heard.map(|heard| heard.to_string()));
        table.row([name, state.to_string(), listen, known(number), heard]);
    }
    table.text()
}
