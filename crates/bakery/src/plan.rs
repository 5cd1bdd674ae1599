//! The steps of a bake, in the order of the recipe. Pure.

use crate::chain::Chain;
use crate::context::{self, Context, ContextError};
use kiln_image::CopyEntry;
use kiln_names::Digest;
use kiln_protocol::recipe::{ImageSection, Package};

/// One step: it leaves one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The distribution's packages.
    Packages(Vec<Package>),
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
            Self::Run(_) => "run",
            Self::Copy { .. } => "copy",
        }
    }

    /// The key of its layer on `chain`; the packages' own depends on what they are resolved to.
    pub(crate) fn key(&self, chain: Chain) -> Digest {
        match self {
            Self::Packages(packages) => {
                let asked: Vec<&str> = packages.iter().map(Package::as_str).collect();
                chain.key("resolve", &asked)
            }
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
    let run = image.run.iter().cloned().map(Step::Run);
    let mut steps: Vec<Step> = packages.into_iter().chain(run).collect();
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
        [process.web]
        command = ["/bin/true"]
    "#;

    fn plan(content: &str) -> Vec<Step> {
        let content = ContextContent::File { digest: Digest::of(content.as_bytes()), size: 1 };
        let context = [ContextEntry { path: "a".to_owned(), mode: 0o644, content }];
        let context = Context::check(&context).unwrap();
        steps(&Recipe::parse(RECIPE).unwrap().image, &context).unwrap()
    }

    #[test]
    fn steps_come_in_one_order_whatever_the_recipes() {
        let shown: Vec<String> = plan("x").iter().map(ToString::to_string).collect();
        let expected = [
            "packages python3 tree",
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
        assert_eq!(before[..3], after[..3]);
        assert!(before[3..].iter().all(|key| !after.contains(key)));
    }
}
