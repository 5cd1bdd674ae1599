//! What a command works with: the Kiln it asks, and where its words go.

use crate::CliError;
use crate::globals::{Globals, user};
use crate::output::{Form, Output};
use kiln_client::{Client, Endpoint};

/// What a command works with.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) output: Output,
}

impl Session {
    /// Connects to nothing yet.
    pub(crate) fn new(globals: &Globals) -> Result<Self, CliError> {
        let endpoint = match globals.url.as_deref().filter(|url| !url.is_empty()) {
            Some(url) => Endpoint::parse(url)?,
            None => Endpoint::in_data(&globals.data),
        };
        let token = globals.token.as_deref().filter(|token| !token.is_empty());
        let client = Client::new(endpoint, token, user().as_deref())?;
        let form = if globals.json { Form::Json } else { Form::Text };
        Ok(Self { client, output: Output::new(form) })
    }
}
