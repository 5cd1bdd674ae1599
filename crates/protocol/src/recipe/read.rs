//! From the text of a recipe to the recipe, key by key.

use super::{
    AbsolutePath, Capability, ContextPath, Copy, FilePattern, ImageSection, MAX_ARGUMENT_BYTES,
    MAX_ARGUMENTS, MAX_COPY, MAX_INSTALL, MAX_PACKAGES, MAX_PROCESSES, MAX_RUN, MAX_STOP,
    MAX_WRITABLE, Process, Processes, Recipe, Stop, User,
};
use crate::document::{Document, Mistake, Reader, shown};
use kiln_names::{ProcessName, Span};
use std::collections::HashSet;
use std::num::NonZeroU16;

const RECIPE: &[&str] = &["app", "image", "process"];
const IMAGE: &[&str] = &["base", "packages", "install", "run", "copy"];
/// How the names of package files end that there is a package manager for.
const PACKAGE_FILE: &str = ".deb";
const COPY: &[&str] = &["from", "to"];
const PROCESS: &[&str] = &["command", "port", "user", "writable", "capabilities", "stop"];
const STOP: &[&str] = &["signal", "timeout"];

pub(super) fn recipe(text: &str) -> Result<Recipe, Mistake> {
    let document = Document::toml(text)?;
    let fields = document.root().fields(RECIPE)?;
    Ok(Recipe {
        app: fields.require("app")?.parse()?,
        image: image(&fields.require("image")?)?,
        processes: processes(&fields.require("process")?)?,
    })
}

fn image(reader: &Reader<'_>) -> Result<ImageSection, Mistake> {
    let fields = reader.fields(IMAGE)?;
    let packages = |list: &Reader<'_>| list.each("packages", MAX_PACKAGES, Reader::parse);
    let install = |list: &Reader<'_>| list.each("package files", MAX_INSTALL, package_file);
    let run = |list: &Reader<'_>| list.each("commands", MAX_RUN, |r| r.word(MAX_ARGUMENT_BYTES));
    let copies = |list: &Reader<'_>| list.each("copies", MAX_COPY, copy);
    Ok(ImageSection {
        base: fields.require("base")?.parse()?,
        packages: fields.read("packages", packages)?.unwrap_or_default(),
        install: fields.read("install", install)?.unwrap_or_default(),
        run: fields.read("run", run)?.unwrap_or_default(),
        copy: fields.read("copy", copies)?.unwrap_or_default(),
    })
}

fn package_file(item: &Reader<'_>) -> Result<FilePattern, Mistake> {
    let pattern: FilePattern = item.parse()?;
    if pattern.as_str().ends_with(PACKAGE_FILE) {
        return Ok(pattern);
    }
    Err(item.refuse(format!("package files end with {PACKAGE_FILE}: others are not supported yet")))
}

fn copy(reader: &Reader<'_>) -> Result<Copy, Mistake> {
    let fields = reader.fields(COPY)?;
    let from: ContextPath = fields.require("from")?.parse()?;
    let to = fields.require("to")?;
    Ok(Copy { from, to: to.parse()?, into_directory: to.text()?.ends_with('/') })
}

fn processes(reader: &Reader<'_>) -> Result<Processes<Process>, Mistake> {
    let mut processes = Processes::default();
    for (name, member) in reader.members("processes", MAX_PROCESSES)? {
        processes.insert(member.name::<ProcessName>(name)?, process(&member)?);
    }
    if processes.is_empty() {
        return Err(reader.refuse("at least one process is wanted, such as [process.web]"));
    }
    Ok(processes)
}

fn process(reader: &Reader<'_>) -> Result<Process, Mistake> {
    let fields = reader.fields(PROCESS)?;
    let user: Option<User> = fields.read("user", Reader::parse)?;
    let root = user.as_ref().is_some_and(User::is_root);
    Ok(Process {
        command: command(&fields.require("command")?)?,
        port: fields
            .read("port", |port| port.whole(NonZeroU16::MIN.get()..=u16::MAX))?
            .and_then(NonZeroU16::new),
        user,
        writable: fields.read("writable", writable)?.unwrap_or_default(),
        capabilities: fields
            .read("capabilities", |list| capabilities(list, root))?
            .unwrap_or_default(),
        stop: fields.read("stop", stop)?.unwrap_or_default(),
    })
}

fn command(list: &Reader<'_>) -> Result<Vec<String>, Mistake> {
    let word = |item: &Reader<'_>| item.argument(MAX_ARGUMENT_BYTES);
    let words = list.each("words in one command", MAX_ARGUMENTS, word)?;
    match words.first() {
        None => Err(list.refuse("it is empty: a program is wanted")),
        Some(program) if !program.starts_with('/') => {
            let rule = "the program is wanted by its whole path, such as /usr/bin/python3";
            Err(list.refuse(format!("{rule}, not \"{}\"", shown(program))))
        }
        Some(_) => Ok(words),
    }
}

/// Whether a service may write there.
pub(crate) fn is_services_own(path: &AbsolutePath) -> bool {
    path.as_str() != "/" && !path.is_kept()
}

fn writable(list: &Reader<'_>) -> Result<Vec<AbsolutePath>, Mistake> {
    let mut seen = HashSet::new();
    list.each("writable directories", MAX_WRITABLE, |item| {
        let path: AbsolutePath = item.parse()?;
        if path.as_str() == "/" {
            return Err(item.refuse("the whole image cannot be writable"));
        }
        if !is_services_own(&path) {
            return Err(item.refuse(format!("{path} is not the service's to write to")));
        }
        if !seen.insert(path.clone()) {
            return Err(item.refuse(format!("{path} stands twice")));
        }
        Ok(path)
    })
}

fn capabilities(list: &Reader<'_>, root: bool) -> Result<Vec<Capability>, Mistake> {
    let mut asked = list.each("capabilities", Capability::ALL.len(), Reader::parse)?;
    if !asked.is_empty() && !root {
        return Err(list.refuse("only a process with user = \"root\" can have capabilities"));
    }
    asked.sort();
    asked.dedup();
    Ok(asked)
}

fn stop(reader: &Reader<'_>) -> Result<Stop, Mistake> {
    let (fields, default) = (reader.fields(STOP)?, Stop::default());
    let timeout = |timeout: &Reader<'_>| timeout.span(Span::millis(1)..=MAX_STOP);
    Ok(Stop {
        signal: fields.read("signal", Reader::parse)?.unwrap_or(default.signal),
        timeout: fields.read("timeout", timeout)?.unwrap_or(default.timeout),
    })
}
