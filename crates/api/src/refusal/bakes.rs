//! Refusals of the bakery.

use super::Refusal;
use kiln_bakery::{ArchiveError, BakeError, BaseError, NotImported, UnitError};
use kiln_image::ImportError;
use kiln_names::Digest;
use kiln_protocol::{Code, Problem};

impl From<BakeError> for Refusal {
    fn from(error: BakeError) -> Self {
        use BakeError as E;
        match &error {
            E::Recipe(mistake) => Self::new(Code::InvalidRecipe, format!("kiln.toml: {mistake}")),
            E::OtherApp { .. } | E::Context(_) => Self::failed(Code::InvalidRecipe, &error),
            E::Unclear(_) => Self::failed(Code::Invalid, &error),
            E::Unit(unit) => Self::failed(Code::Invalid, &error).hint(advice(unit)),
            E::NoBase { base, .. } => Self::failed(Code::BaseNotFound, &error)
                .hint(format!("kiln base bake {base} --debootstrap SUITE")),
            E::MissingBlobs(digests) => missing(digests.clone()),
            // What the step said came with its events.
            E::Step(failure) => {
                Self::new(Code::BakeFailed, format!("{}: {}", failure.step, failure.how))
            }
            E::NoUser { .. } | E::NoProgram { .. } => Self::failed(Code::BakeFailed, &error),
            E::Conflict { .. } => Self::failed(Code::VersionTaken, &error)
                .hint("a version is set once; choose another."),
            E::Abandoned => Self::failed(Code::Unavailable, &error),
            E::Image(
                kiln_image::Error::Layer(_)
                | kiln_image::Error::TooLarge { .. }
                | kiln_image::Error::TooManyLayers { .. },
            ) => Self::of(Code::BakeFailed, &error),
            E::Plan(_) | E::Image(_) | E::Store(_) | E::Io { .. } => Self::internal(&error),
        }
    }
}

impl From<BaseError> for Refusal {
    fn from(error: BaseError) -> Self {
        match error {
            BaseError::NoArchive(digest) => missing(vec![digest]),
            BaseError::Archive(error) => error.into(),
            BaseError::Invalid(_) => Self::failed(Code::Invalid, &error),
            BaseError::Bake(error) => error.into(),
        }
    }
}

impl From<ArchiveError> for Refusal {
    fn from(error: ArchiveError) -> Self {
        use ImportError as E;
        let image = match error {
            ArchiveError::Missing(digest) => return missing(vec![digest]),
            ArchiveError::Bake(error) => return error.into(),
            ArchiveError::Image(image) => image,
        };
        match &image {
            E::Ambiguous { .. } => {
                Self::failed(Code::Ambiguous, &image).hint("--name NAME chooses one.")
            }
            E::NoMatch { .. } => Self::failed(Code::NotFound, &image)
                .hint("--name NAME or --platform OS/ARCHITECTURE chooses another."),
            E::Store(kiln_image::Error::Mismatch { .. }) | E::Length { .. } => {
                Self::failed(Code::DigestMismatch, &image)
            }
            E::Store(kiln_image::Error::Layer(_)) => Self::failed(Code::Invalid, &image),
            E::Store(_) => Self::internal(&image),
            _ => Self::failed(Code::Invalid, &image),
        }
    }
}

impl From<NotImported> for Refusal {
    fn from(error: NotImported) -> Self {
        match error {
            NotImported::Archive(error) => error.into(),
            NotImported::Bake(error) => error.into(),
            NotImported::HalfNamed => {
                Self::failed(Code::BadRequest, &error).hint("--app APP --version VERSION")
            }
            NotImported::OtherApp { .. } | NotImported::Runs(_) => {
                Self::failed(Code::Invalid, &error)
            }
        }
    }
}

/// What to pass when a package's unit does not say how to run it.
fn advice(unit: &UnitError) -> &'static str {
    match unit {
        UnitError::Several { .. } | UnitError::Unknown { .. } => "--unit NAME chooses one.",
        UnitError::Root { .. } => "--user NAME says who it runs as, be it root.",
        UnitError::None { .. } | UnitError::Setting { .. } | UnitError::Lacks { .. } => {
            "--command '/usr/bin/program ARGUMENT…' says what to run, with --user and --port."
        }
    }
}

/// What is to be sent before asking again.
fn missing(digests: Vec<Digest>) -> Refusal {
    let detail = format!("{} files of the context are not here yet", digests.len());
    Problem { missing: digests, ..Problem::new(Code::ContextMissing, detail) }.into()
}
