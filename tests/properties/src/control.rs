//! What the router is told over its socket, and reads back from its disk.

use crate::in_few_words;
use kiln_router::Table;

/// Bytes of any kind as a table.
pub fn control(input: &[u8]) {
    let Ok(table) = serde_json::from_slice::<Table>(input) else { return };
    let printed = serde_json::to_vec(&table).unwrap();
    assert_eq!(serde_json::from_slice::<Table>(&printed).unwrap(), table);
    let (one, two) = (table.check(), table.check());
    assert_eq!(one.is_ok(), two.is_ok());
    if let Err(error) = one {
        in_few_words(&error);
    }
}
