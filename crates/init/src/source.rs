//! Where the spec comes from: the mounted file, else a variable, else nowhere.

use kiln_init::InitSpec;
use std::ffi::OsString;
use std::path::Path;

/// Finds and reads the spec. `None` when there is neither file nor variable: then the program only
/// becomes its arguments.
///
/// # Errors
/// A spec that is there but cannot be read, as a sentence.
pub(crate) fn read(file: &Path, variable: Option<OsString>) -> Result<Option<InitSpec>, String> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match variable {
            Some(text) => text.into_string().map_err(|_| "the spec is not UTF-8".to_owned())?,
            None => return Ok(None),
        },
        Err(error) => return Err(format!("cannot read the spec {}: {error}", file.display())),
    };
    InitSpec::parse(&text).map(Some).map_err(|error| format!("cannot read the spec: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_wins_over_the_variable_and_both_may_be_missing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("spec");
        let variable = Some(OsString::from(r#"{"v":1,"command":["from-variable"]}"#));
        assert_eq!(read(&file, None), Ok(None));
        let command = |spec: Option<InitSpec>| spec.unwrap().command;
        assert_eq!(command(read(&file, variable.clone()).unwrap()), ["from-variable"]);
        std::fs::write(&file, r#"{"v":1,"command":["from-file"]}"#).unwrap();
        assert_eq!(command(read(&file, variable).unwrap()), ["from-file"]);
    }

    #[test]
    fn a_spec_that_is_not_one_is_an_error() {
        assert!(read(Path::new("/nonexistent"), Some("{".into())).is_err());
    }
}
