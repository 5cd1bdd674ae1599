//! The steps of a bake, in the order of the recipe. Pure.

use crate::chain::Chain;
use crate::context::{self, Context, ContextError};
use crate::packages::{Asked, PackageFile};
use kiln_image::CopyEntry;
use kiln_names::Digest;
use kiln_protocol::recipe::{ImageSection, Package};

/// One step: it leaves one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The distribution's packages.
    Packages(Vec<Package>),
    /// Package files that came with the recipe.
    Install(Vec<PackageFile>),
    /// One provisioning command.
    Run(String),
    /// One copy.
    Copy {
        /// As the recipe has it, for people.
        text: String,
        /// What goes where.
        entries: Vec<CopyEntry>,
    },
}

impl Step {
    /// What kind of step it is, as reported with its layer.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Packages(_) => "packages",
            Self::Install(_) => "install",
            Self::Run(_) => "run",
            Self::Copy { .. } => "copy",
        }
    }

    /// What it asks of the package manager.
    pub(crate) fn asked(&self) -> Option<Asked<'_>> {
        match self {
            Self::Packages(packages) => Some(Asked::Packages(packages)),
            Self::Install(files) => Some(Asked::Files(files)),
            Self::Run(_) | Self::Copy { .. } => None,
        }
    }

    /// The key of its layer on `chain`. A package manager's own depends on what it resolves the
    /// step to, and this is the key of that.
    pub(crate) fn key(&self, chain: Chain) -> Digest {
        match self {
            Self::Packages(packages) => {
                let asked: Vec<&str> = packages.iter().map(Package::as_str).collect();
                chain.key("resolve", &asked)
            }
            Self::Install(files) => chain.key("resolve files", &PackageFile::digests(files)),
            Self::Run(command) => chain.key("run", command),
            Self::Copy { entries, .. } => chain.key("copy", &context::key_of(entries)),
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Self::Packages(packages) => packages.iter().try_for_each(|it| write!(f, " {it}")),
            Self::Install(files) => files.iter().try_for_each(|it| write!(f, " {}", it.name)),
            Self::Run(command) => write!(f, " {command}"),
            Self::Copy { text, .. } => write!(f, " {text}"),
        }
    }
}

/// The steps of a recipe with the files that came with it.
pub(crate) fn steps(
    image: &ImageSection,
    context: &Context<'_>,
) -> Result<Vec<Step>, ContextError> {
    let packages = (!image.packages.is_empty()).then(|| Step::Packages(image.packages.clone()));
    let files = context.package_files(&image.install)?;
    let install = (!files.is_empty()).then_some(Step::Install(files));
    let run = image.run.iter().cloned().map(Step::Run);
    let mut steps: Vec<Step> = packages.into_iter().chain(install).chain(run).collect();
    for copy in &image.copy {
        let slash = if copy.into_directory && copy.to.as_str() != "/" { "/" } else { "" };
        let text = format!("{} to {}{slash}", copy.from, copy.to);
        steps.push(Step::Copy { text, entries: context.select(copy)? });
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_names::Digest;
    use kiln_protocol::bake::{ContextContent, ContextEntry};
    use kiln_protocol::recipe::Recipe;

    const RECIPE: &str = r#"
        app = "hello"
        [image]
        base = "debian-12"
        copy = [{ from = "a", to = "/srv/" }, { from = "a", to = "/etc/a" }]
        run = ["useradd hello", "true"]
        packages = ["python3", "tree"]
        install = ["dist/*.deb"]
        [process.web]
        command = ["/bin/true"]
    "#;

    fn plan(content: &str) -> Vec<Step> {
        let content = ContextContent::File { digest: Digest::of(content.as_bytes()), size: 1 };
        let entry =
            |path: &str, content| ContextEntry { path: path.to_owned(), mode: 0o644, content };
        let package = ContextContent::File { digest: Digest::of(b"package"), size: 7 };
        let context = [entry("a", content), entry("dist/a_1%3a2.deb", package)];
        let context = Context::check(&context).unwrap();
        steps(&Recipe::parse(RECIPE).unwrap().image, &context).unwrap()
    }

    #[test]
    fn steps_come_in_one_order_whatever_the_recipes() {
        let shown: Vec<String> = plan("x").iter().map(ToString::to_string).collect();
        let expected = [
            "packages python3 tree",
            "install a_1_3a2.deb",
            "run useradd hello",
            "run true",
            "copy a to /srv/",
            "copy a to /etc/a",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_change_of_one_file_changes_the_keys_of_its_copies_alone() {
        let chain = Chain::empty();
        let keys = |content| plan(content).iter().map(|step| step.key(chain)).collect::<Vec<_>>();
        let (before, after) = (keys("x"), keys("y"));
        assert_eq!(before[..4], after[..4]);
        assert!(before[4..].iter().all(|key| !after.contains(key)));
    }
}
