//! How the API says no: problem documents (RFC 9457) with stable codes, and the exit code of the
//! command line that each code stands for.

use crate::Exit;
use kiln_names::Digest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of a [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request was not done, for programs and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// `urn:kiln:problem:` and the code.
    #[serde(rename = "type")]
    pub urn: String,
    /// What the code means, the same for every problem of that code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What programs compare.
    pub code: Code,
    /// What happened this time.
    pub detail: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// With `context-missing`: what to upload before asking again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Digest>,
}

impl Problem {
    /// A problem of the given code.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            urn: format!("urn:kiln:problem:{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            detail: detail.into(),
            hint: None,
            missing: Vec::new(),
        }
    }

    /// The same with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The exit code of a command that ends with this problem.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.code == Code::Unknown { exit_of_status(self.status) } else { self.code.exit() }
    }
}

/// A code of a newer server is judged by its status alone.
fn exit_of_status(status: u16) -> Exit {
    match status {
        401 | 403 => Exit::NotAllowed,
        404 => Exit::NotFound,
        409 => Exit::Conflict,
        422 => Exit::Invalid,
        400..=499 => Exit::Usage,
        502..=504 => Exit::Unreachable,
        _ => Exit::Internal,
    }
}

/// Declares the codes once: name, wire form, HTTP status, exit code, title.
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident $wire:literal $status:literal $exit:ident $title:literal;)*) => {
        /// What kind of problem it is. The meaning of a code never changes; new ones are added.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $wire)] $code,)*
            /// A code that this program does not know yet.
            #[serde(other, rename = "unknown")]
            Unknown,
        }

        impl Code {
            /// All of them, in the order of the table in the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$code),*];

            /// As it stands in JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$code => $wire,)* Self::Unknown => "unknown" }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$code => $status,)* Self::Unknown => 500 }
            }

            /// The exit code of the command line that goes with it.
            #[must_use]
            pub const fn exit(self) -> Exit {
                match self { $(Self::$code => Exit::$exit,)* Self::Unknown => Exit::Internal }
            }

            /// What it means.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$code => $title,)* Self::Unknown => "unknown problem" }
            }
        }
    };
}

codes! {
    /// Kiln itself failed.
    Internal "internal" 500 Internal "Kiln failed";
    /// A file system that Kiln writes to has no room.
    DiskFull "disk-full" 507 Internal "the disk is full";
    /// A file system that Kiln writes to takes no changes.
    DiskReadOnly "disk-read-only" 507 Internal "the file system is read-only";
    /// The database is damaged; what runs goes on.
    DatabaseDamaged "database-damaged" 500 Internal "the database is damaged";
    /// A parameter is missing or malformed.
    BadRequest "bad-request" 400 Usage "the request is malformed";
    /// The body is not JSON, or not of the expected form.
    BadJson "bad-json" 400 Usage "the body is not the JSON that was expected";
    /// The body has another media type than the one expected.
    UnsupportedMediaType "unsupported-media-type" 415 Usage "the body has the wrong media type";
    /// The path exists, the method does not.
    MethodNotAllowed "method-not-allowed" 405 Usage "the path does not take this method";
    /// The body is larger than allowed.
    TooLarge "too-large" 413 Invalid "the body is too large";
    /// The request took longer than it may.
    Timeout "timeout" 408 Unreachable "the request took too long";
    /// No such path.
    NoSuchPath "no-such-path" 404 NotFound "there is no such path";
    /// No token, or a wrong one.
    Unauthorized "unauthorized" 401 NotAllowed "a valid token is needed";
    /// A valid token that may not do this.
    Forbidden "forbidden" 403 NotAllowed "this is not allowed";
    /// A name or value is not what it must be.
    Invalid "invalid" 422 Invalid "a value is not valid";
    /// The recipe has a mistake.
    InvalidRecipe "invalid-recipe" 422 Invalid "the recipe is not valid";
    /// A configuration file has a mistake.
    InvalidConfiguration "invalid-configuration" 422 Invalid "the configuration is not valid";
    /// A step of the bake failed.
    BakeFailed "bake-failed" 422 Invalid "the bake failed";
    /// The deployment cannot be planned; nothing changed.
    PlanInvalid "plan-invalid" 422 Invalid "the deployment cannot be planned";
    /// What came is not what its digest says.
    DigestMismatch "digest-mismatch" 422 Invalid "the content is not what its digest says";
    /// This Kiln, or the environment's engine, cannot do that.
    NotSupported "not-supported" 422 Invalid "this is not supported here";
    /// There is one of that name already.
    Exists "exists" 409 Conflict "it exists already";
    /// The version names another image.
    VersionTaken "version-taken" 409 Conflict "the version names another image";
    /// The configuration moved on since.
    StaleCommit "stale-commit" 409 Conflict "the configuration has changed";
    /// A deployment is in progress.
    InProgress "in-progress" 409 Conflict "a deployment is in progress";
    /// Somebody locked everything.
    Locked "locked" 409 Conflict "everything is locked";
    /// No deployment is in a state for this.
    NotInProgress "not-in-progress" 409 Conflict "no deployment is in a state for this";
    /// There is no release to go back to.
    NothingToRollBack "nothing-to-roll-back" 409 Conflict "there is nothing to roll back to";
    /// Something still uses it.
    InUse "in-use" 409 Conflict "it is in use";
    /// More than one thing matches.
    Ambiguous "ambiguous" 409 Conflict "more than one matches";
    /// The bake needs files that the server lacks.
    ContextMissing "context-missing" 409 Conflict "files of the context are missing";
    /// Something that the request names is not there; the detail says what.
    NotFound "not-found" 404 NotFound "there is no such thing";
    /// No such application.
    AppNotFound "app-not-found" 404 NotFound "there is no such application";
    /// No such environment.
    EnvNotFound "env-not-found" 404 NotFound "there is no such environment";
    /// No such process.
    ProcessNotFound "process-not-found" 404 NotFound "there is no such process";
    /// No such image.
    ImageNotFound "image-not-found" 404 NotFound "there is no such image";
    /// No such base.
    BaseNotFound "base-not-found" 404 NotFound "there is no such base";
    /// No such release.
    ReleaseNotFound "release-not-found" 404 NotFound "there is no such release";
    /// No such commit of the configuration.
    CommitNotFound "commit-not-found" 404 NotFound "there is no such commit";
    /// No such file of the configuration.
    FileNotFound "file-not-found" 404 NotFound "there is no such file";
    /// The key is not set.
    KeyNotFound "key-not-found" 404 NotFound "the key is not set";
    /// No such secret.
    SecretNotFound "secret-not-found" 404 NotFound "there is no such secret";
    /// No such deployment.
    DeploymentNotFound "deployment-not-found" 404 NotFound "there is no such deployment";
    /// Nothing of the application is deployed there.
    NotDeployed "not-deployed" 404 NotFound "the application is not deployed there";
    /// No such server group.
    GroupNotFound "group-not-found" 404 NotFound "there is no such server group";
    /// No such instance.
    InstanceNotFound "instance-not-found" 404 NotFound "there is no such instance";
    /// Kiln is starting, stopping or overloaded.
    Unavailable "unavailable" 503 Unreachable "Kiln cannot answer now";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_back_what_it_shows() {
        let problem = Problem::new(Code::AppNotFound, "no application hello").hint("kiln app list");
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["type"], "urn:kiln:problem:app-not-found");
        assert_eq!(json["status"], 404);
        assert_eq!(serde_json::from_value::<Problem>(json).unwrap(), problem);
        assert_eq!(problem.exit(), Exit::NotFound);
    }

    #[test]
    fn a_code_of_a_newer_server_exits_by_its_status() {
        let json = r#"{"type":"x","title":"t","status":409,"code":"brand-new","detail":"d"}"#;
        let problem: Problem = serde_json::from_str(json).unwrap();
        assert_eq!((problem.code, problem.exit()), (Code::Unknown, Exit::Conflict));
    }

    #[test]
    fn status_and_exit_code_of_every_code_agree() {
        for code in Code::ALL {
            let by_status = exit_of_status(code.status());
            let exceptions = [Code::TooLarge, Code::Timeout];
            assert!(exceptions.contains(code) || by_status == code.exit(), "{}", code.as_str());
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
