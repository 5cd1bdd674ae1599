//! Where the shim puts a root file system together, in a mount namespace of its own.
//!
//! ```text
//! DIR/stage        memory, seen by the shim alone, gone when it leaves
//! ├─ l/0-4f2a91 …  links to the layers, so that long paths fit the kernel's one page of options
//! ├─ view/         the image as it is, to look things up in
//! ├─ skeleton/     the mount points that the image lacks
//! ├─ root/         skeleton over image: what the container starts from
//! ├─ files/        resolv.conf, hosts, hostname, spec
//! ├─ secrets/      memory of its own: a file for each secret
//! └─ bundle/       what libcontainer reads and writes
//! ```
//!
//! The skeleton is a layer of its own beneath any writable one, so that mount points never show in
//! what a step of a bake leaves behind.

use super::files;
use super::image::{CommandError, Image};
use super::secrets::Secrets;
use crate::spec::InstanceSpec;
use nix::sched::{CloneFlags, setns, unshare};
use rustix::fs::{AtFlags, CWD, Timestamps, utimensat};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, unmount};
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// Why a root file system could not be put together.
#[derive(Debug, thiserror::Error)]
pub(super) enum StageError {
    #[error("there is no layer {}", .0.display())]
    NoLayer(PathBuf),
    #[error("{} is a link or a file in the image, where a directory has to be", .0.display())]
    NotADirectory(PathBuf),
    #[error("{doing}")]
    Io {
        doing: String,
        #[source]
        source: io::Error,
    },
}

type Result<T> = std::result::Result<T, StageError>;

/// A place that has to exist before something can be mounted on it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MountPoint {
    Directory(PathBuf),
    File(PathBuf),
}

/// A stage; see the module.
pub(super) struct Stage {
    dir: PathBuf,
    host: File,
}

impl Stage {
    /// Makes an empty stage and goes there; what is mounted from now on is only seen by this process
    /// and its children.
    pub(super) fn enter(dir: &Path) -> Result<Self> {
        let host = File::open("/proc/self/ns/mnt").map_err(doing("find the host's mounts"))?;
        let stage = Self { dir: dir.join("stage"), host };
        stage.mount().map_err(doing("make a place for it"))?;
        Ok(stage)
    }

    /// Mounts the image where it can be looked at. Returns the layers in overlayfs's words.
    pub(super) fn show_image(&self, spec: &InstanceSpec) -> Result<String> {
        let mut layers = self.link_layers(spec)?;
        let shown = layers.join(":");
        if spec.root.writable.is_some() {
            // What the layer holds already is part of the image too.
            layers.insert(0, "l/upper".to_owned());
        }
        if let [only] = &layers[..] {
            rustix::mount::mount_bind(self.dir.join(only), self.dir.join("view"))
                .map_err(|error| doing("show the image")(error.into()))?;
        } else {
            self.overlay("view", &format!("{SAFE},lowerdir={}", layers.join(":")))?;
        }
        Ok(shown)
    }

    pub(super) fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    pub(super) fn bundle(&self) -> PathBuf {
        self.dir.join("bundle")
    }

    /// Where a file that the container gets by bind is found.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.join("files").join(name)
    }

    /// The path of the command in the image, once it is sure that it can run. With `kiln-init` in
    /// front, what that becomes is looked for too.
    pub(super) fn command(
        &self,
        spec: &InstanceSpec,
    ) -> std::result::Result<PathBuf, CommandError> {
        let image = self.image();
        let service = spec.init.as_ref().and_then(|init| init.command.first());
        if let Some(service) = service {
            image.find(service, spec)?;
        }
        image.find(spec.command.first().ok_or(CommandError::Empty)?, spec)
    }

    /// Mounts the root: skeleton, layers, and the writable layer if there is one.
    pub(super) fn mount_root(&self, spec: &InstanceSpec, layers: &str) -> Result<()> {
        self.write_files(spec).map_err(doing("write its files"))?;
        self.build_skeleton(spec)?;
        let mut options = format!("{SAFE},lowerdir={SKELETON}:{layers}");
        if spec.root.writable.is_some() {
            // A layer must not be shown and written at once.
            unmount(self.dir.join("view"), UnmountFlags::DETACH)
                .map_err(|error| doing("put the image away")(error.into()))?;
            // Nothing reads the layer after a power failure: waiting for the disk is in vain.
            options.push_str(",upperdir=l/upper,workdir=l/work,volatile");
        }
        self.overlay("root", &options)
    }

    /// Writes the values of the secrets into memory of their own, and forgets them.
    pub(super) fn show_secrets(&self, spec: &InstanceSpec, secrets: Secrets) -> Result<()> {
        secrets.write(&self.secrets(), spec.user).map_err(doing("write its secrets"))
    }

    /// Where the secrets are, to be mounted in the container.
    pub(super) fn secrets(&self) -> PathBuf {
        self.dir.join("secrets")
    }

    /// Returns to the host's mounts. The stage stays only as far as the container holds on to it.
    pub(super) fn leave(&self) -> Result<()> {
        let back = setns(&self.host, CloneFlags::CLONE_NEWNS).map_err(io::Error::from);
        back.and_then(|()| std::env::set_current_dir("/")).map_err(doing("leave the stage"))
    }

    fn image(&self) -> Image {
        Image::new(self.dir.join("view"))
    }

    /// A mount namespace of its own, memory mounted on the stage in it, and no control groups.
    fn mount(&self) -> io::Result<()> {
        match std::fs::create_dir(&self.dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        unshare(CloneFlags::CLONE_NEWNS)?;
        // What the host unmounts later goes here too; what is mounted here stays here.
        let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", slave)?;
        hide_cgroups()?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("kiln", &self.dir, "tmpfs", flags, c"mode=0711,size=32m")?;
        std::env::set_current_dir(&self.dir)?;
        ["files", "secrets", "bundle", "state", "view", "root", "skeleton", "l"]
            .into_iter()
            .try_for_each(|made| std::fs::create_dir(self.dir.join(made)))
    }

    /// Links the layers under short names, the topmost first as overlayfs wants them.
    fn link_layers(&self, spec: &InstanceSpec) -> Result<Vec<String>> {
        let link = |path: &Path, name: &str| {
            if !path.is_dir() {
                return Err(StageError::NoLayer(path.to_owned()));
            }
            let name = self.dir.join("l").join(name);
            std::os::unix::fs::symlink(path, name).map_err(doing("link its layers"))
        };
        let mut layers = Vec::new();
        for (number, path) in spec.root.lower.iter().rev().enumerate() {
            let name = layer_name(number, path);
            link(path, &name)?;
            layers.push(format!("{LINKS}/{name}"));
        }
        if let Some(writable) = &spec.root.writable {
            link(&writable.upper, "upper")?;
            link(&writable.work, "work")?;
            forget_volatile(&writable.work).map_err(doing("reuse the work directory"))?;
        }
        Ok(layers)
    }

    fn write_files(&self, spec: &InstanceSpec) -> io::Result<()> {
        std::fs::write(self.file("resolv.conf"), files::resolv_conf(&spec.network))?;
        std::fs::write(self.file("hosts"), files::hosts(spec))?;
        std::fs::write(self.file("hostname"), format!("{}\n", spec.hostname))?;
        let Some(init) = &spec.init else { return Ok(()) };
        let path = self.file("spec");
        std::fs::write(&path, serde_json::to_vec(init)?)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400))?;
        chown(&path, Some(spec.user.uid), Some(spec.user.gid))
    }

    /// `options` names layers relative to the stage.
    fn overlay(&self, at: &str, options: &str) -> Result<()> {
        let options = CString::new(options).expect("layers are named by numbers");
        mount("overlay", self.dir.join(at), "overlay", MountFlags::NODEV, &*options)
            .map_err(|error| doing(format!("mount {}", options.to_string_lossy()))(error.into()))
    }

    fn build_skeleton(&self, spec: &InstanceSpec) -> Result<()> {
        let skeleton = Skeleton { root: self.dir.join("skeleton"), image: self.image() };
        let mut copied = vec![PathBuf::from("/")];
        for point in super::oci::mount_points(spec) {
            copied.extend(skeleton.add(&point)?);
        }
        // Last, and the deepest first: whatever is made in a directory changes its times.
        let mut copied = copied.iter().rev();
        let failed = doing("make its mount points");
        copied.try_for_each(|path| skeleton.copy_metadata(path)).map_err(failed)
    }
}

/// Where the links to layers lie, beneath the stage.
const LINKS: &str = "l";
/// Which part of a path's digest tells which layer a link leads to. Together with the number it makes
/// the whole of it unique; together with all others it has to fit one page.
const TOLD: usize = 6;

/// The link to a layer. Its name says which layer that is: the kernel tells it of what is mounted.
fn layer_name(number: usize, path: &Path) -> String {
    let digest = kiln_names::Digest::of(path.as_os_str().as_encoded_bytes());
    format!("{number}-{}", &digest.hex()[..TOLD])
}

/// What the kernel tells of the lower directories of a root made of these layers, the base first.
pub(crate) fn lower_option(lower: &[PathBuf]) -> String {
    let names = lower.iter().rev().enumerate();
    let names = names.map(|(number, path)| format!(":{LINKS}/{}", layer_name(number, path)));
    format!("{SKELETON}{}", names.collect::<String>())
}

/// The topmost layer: the mount points that the image lacks.
const SKELETON: &str = "skeleton";

/// Layers are not trusted: no device of theirs works, and none redirects into another place.
const SAFE: &str = "redirect_dir=nofollow,metacopy=off";

/// `libcontainer` joins every control group it can see, one by one and the slow way. The shim has
/// joined them: what it does not see it leaves alone.
fn hide_cgroups() -> io::Result<()> {
    const CGROUPS: &str = "/sys/fs/cgroup";
    match unmount(CGROUPS, UnmountFlags::DETACH) {
        // Mounted elsewhere: then `libcontainer` does not find them either.
        Ok(()) | Err(rustix::io::Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(mount("none", CGROUPS, "tmpfs", MountFlags::RDONLY, c"size=4k")?)
}

/// Overlayfs marks a volatile layer so that nobody uses it after a crash. Ours is used again by the
/// next command of the same step, on purpose.
fn forget_volatile(work: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(work.join("work/incompat")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The mount points, with every directory on the way looking as it does in the image.
struct Skeleton {
    root: PathBuf,
    image: Image,
}

impl Skeleton {
    /// Adds a mount point. Returns the directories made on the way to it.
    fn add(&self, point: &MountPoint) -> Result<Vec<PathBuf>> {
        let io = |path: &Path| doing(format!("make the mount point {}", path.display()));
        match point {
            MountPoint::Directory(path) => {
                let real = self.image.follow(path).map_err(io(path))?;
                self.add_directories(&real)
            }
            MountPoint::File(path) => {
                let parent = path.parent().unwrap_or(Path::new("/"));
                let parent = self.image.follow(parent).map_err(io(path))?;
                let made = self.add_directories(&parent)?;
                let file = parent.join(path.file_name().unwrap_or_default());
                std::fs::write(self.at(&file), "").map_err(io(path))?;
                Ok(made)
            }
        }
    }

    fn add_directories(&self, real: &Path) -> Result<Vec<PathBuf>> {
        let mut ways: Vec<&Path> = real.ancestors().collect();
        ways.reverse();
        let mut made = Vec::new();
        for way in ways {
            let io = doing(format!("make the mount point {}", real.display()));
            if self.image.look(way).map_err(&io)?.is_some_and(|found| !found.is_dir()) {
                return Err(StageError::NotADirectory(way.to_owned()));
            }
            match std::fs::create_dir(self.at(way)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => other.map_err(&io).map(|()| made.push(way.to_owned()))?,
            }
        }
        Ok(made)
    }

    fn copy_metadata(&self, path: &Path) -> io::Result<()> {
        let Some(found) = self.image.look(path)? else { return Ok(()) };
        let to = self.at(path);
        chown(&to, Some(found.uid()), Some(found.gid()))?;
        std::fs::set_permissions(&to, found.permissions())?;
        let time = |seconds, nanos| rustix::fs::Timespec { tv_sec: seconds, tv_nsec: nanos };
        let times = Timestamps {
            last_access: time(found.atime(), found.atime_nsec()),
            last_modification: time(found.mtime(), found.mtime_nsec()),
        };
        Ok(utimensat(CWD, &to, &times, AtFlags::empty())?)
    }

    fn at(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

fn doing(doing: impl Into<String>) -> impl Fn(io::Error) -> StageError {
    let doing = doing.into();
    move |source| StageError::Io { doing: doing.clone(), source }
}
