//! What the tests bake with: a data directory each, two bases, contexts of text files.

use kiln_bakery::{BakeError, BakeEvent, Bakery, BaseError, Settings};
use kiln_container::{Cgroups, Network};
use kiln_image::{ImageConfig, Stack, Store};
use kiln_names::{AppName, BaseName, Digest, InstallId, InstanceId, Version};
use kiln_protocol::bake::{Baked, ContextContent, ContextEntry, NewBake, NewBase, PackagedService};
use kiln_store::Database;
use kiln_store::audit::By;
use kiln_store::bakes::{self, BaseRow};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// 2026-11-21T12:00:00Z.
pub(crate) const NOON: u64 = 1_795_262_400_000;
/// Made once and kept: Debian's minimal root file system.
const DEBIAN: &str = "/var/cache/kiln-test/debian-12.tar";
/// Made once and kept: one static program.
pub(crate) const BUSYBOX: &str = "/var/cache/kiln-test/busybox.tar";

/// A bakery of its own. Everything it made goes with it.
pub(crate) struct Kitchen {
    pub(crate) bakery: Bakery,
    pub(crate) db: Database,
    pub(crate) images: Store,
    install: InstallId,
    networked: bool,
    _dir: tempfile::TempDir,
}

impl Kitchen {
    /// Without a network, on busybox.
    pub(crate) async fn small() -> Self {
        Self::open("small", Path::new(BUSYBOX), false).await
    }

    /// As [`Kitchen::small`], with a network.
    pub(crate) async fn networked() -> Self {
        Self::open("small", Path::new(BUSYBOX), true).await
    }

    /// With a network, on Debian.
    pub(crate) async fn debian() -> Self {
        Self::open("debian-12", Path::new(DEBIAN), true).await
    }

    async fn open(base: &str, archive: &Path, networked: bool) -> Self {
        make_archives();
        let dir = tempfile::tempdir().unwrap();
        let db = Database::open(&dir.path().join("kiln.db")).await.unwrap();
        let images = Store::open(&dir.path().join("images")).unwrap();
        let install = InstallId::from_random(random());
        let bridge = networked.then(|| {
            let network = Network::ensure(install, None).unwrap();
            network.ensure_bridge(Network::BAKE).unwrap()
        });
        let ids = || InstanceId::from_random(random());
        let settings = Settings::new(shim(), install, bridge, ids);
        let bakery = Bakery::new(db.clone(), images.clone(), settings);
        let kitchen = Self { bakery, db, images, install, networked, _dir: dir };
        kitchen.import(base, archive).await;
        kitchen
    }

    pub(crate) async fn import(&self, name: &str, archive: &Path) -> Digest {
        self.try_import(name, archive).await.unwrap().digest
    }

    pub(crate) async fn try_import(
        &self,
        name: &str,
        archive: &Path,
    ) -> Result<BaseRow, BaseError> {
        let archive = self.send(archive);
        self.base(name, &NewBase::Rootfs { archive }).await
    }

    pub(crate) async fn base(&self, name: &str, new: &NewBase) -> Result<BaseRow, BaseError> {
        let (events, mut told) = mpsc::channel(64);
        tokio::spawn(async move { while told.recv().await.is_some() {} });
        self.bakery.bake_base(&BaseName::parse(name).unwrap(), new, &by(), &events).await
    }

    fn send(&self, file: &Path) -> Digest {
        let hash = Command::new("sha256sum").arg(file).output().unwrap().stdout;
        let digest =
            format!("sha256:{}", String::from_utf8(hash).unwrap().split(' ').next().unwrap());
        let digest = Digest::parse(&digest).unwrap();
        self.images.cache_blob(&digest, File::open(file).unwrap()).unwrap();
        digest
    }

    /// Bakes with the files of `new` sent, and returns what was said as well.
    pub(crate) async fn bake(&self, new: &Recipe) -> Result<(Baked, Vec<BakeEvent>), BakeError> {
        self.bake_at(new, NOON).await
    }

    pub(crate) async fn bake_at(
        &self,
        new: &Recipe,
        at_ms: u64,
    ) -> Result<(Baked, Vec<BakeEvent>), BakeError> {
        self.send_files(new);
        self.ask(&new.request(), at_ms).await
    }

    /// Bakes package files alone.
    pub(crate) async fn bake_package(
        &self,
        new: &Recipe,
        package: PackagedService,
    ) -> Result<Baked, BakeError> {
        self.send_files(new);
        let base = Some(BaseName::parse(new.base).unwrap());
        let request = NewBake { recipe: None, package: Some(package), base, ..new.request() };
        Ok(self.ask(&request, NOON).await?.0)
    }

    fn send_files(&self, new: &Recipe) {
        for (_, content) in &new.files {
            self.images.cache_blob(&Digest::of(content), &content[..]).unwrap();
        }
    }

    async fn ask(&self, new: &NewBake, at_ms: u64) -> Result<(Baked, Vec<BakeEvent>), BakeError> {
        let (events, mut told) = mpsc::channel(10_000);
        let by = By { at_ms, ..by() };
        let baked = self.bakery.bake(new, &by, &events).await?;
        drop(events);
        let mut said = Vec::new();
        while let Some(event) = told.recv().await {
            said.push(event);
        }
        Ok((baked, said))
    }

    pub(crate) fn config(&self, image: &Digest) -> ImageConfig {
        self.images.image(image).unwrap().config
    }

    pub(crate) fn tree(&self, image: &Digest) -> Stack {
        let layers: Vec<Digest> =
            self.images.image(image).unwrap().layers.iter().map(|layer| layer.diff_id).collect();
        self.images.stack(&layers).unwrap()
    }

    pub(crate) fn text(&self, image: &Digest, path: &str) -> Option<String> {
        let path = self.tree(image).find(path).unwrap()?;
        Some(fs::read_to_string(path).unwrap())
    }

    /// The paths in the layer of a step, directories included.
    pub(crate) fn paths(&self, diff_id: &Digest) -> Vec<String> {
        let blob = self.images.open_blob(diff_id).unwrap();
        let listed = Command::new("tar").arg("-t").stdin(blob).output().unwrap();
        String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// The layer of a step, an entry a line, with all that its digest is made of but the content.
    fn listing(&self, diff_id: &Digest) -> Vec<String> {
        let blob = self.images.open_blob(diff_id).unwrap();
        let mut tar = Command::new("tar");
        let listed = tar.args(["-tv", "--full-time", "--numeric-owner"]).stdin(blob).output();
        String::from_utf8(listed.unwrap().stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// Says which entries of which layer differ between two images that should be the same.
    pub(crate) fn compare(&self, other: &Self, ours: &Digest, theirs: &Digest) {
        let layers = |kitchen: &Self, image| kitchen.images.image(image).unwrap().layers;
        for (a, b) in layers(self, ours).iter().zip(&layers(other, theirs)) {
            let (one, two) = (self.listing(&a.diff_id), other.listing(&b.diff_id));
            let different: Vec<_> = one.iter().zip(&two).filter(|(a, b)| a != b).collect();
            assert_eq!(a.diff_id, b.diff_id, "{different:#?}");
        }
        assert_eq!(ours, theirs);
    }

    /// The image that a base stands for.
    pub(crate) async fn base_image(&self, name: &str) -> Digest {
        let mut read = self.db.read().await.unwrap();
        let base = bakes::base(&mut read, &BaseName::parse(name).unwrap()).await.unwrap();
        base.unwrap().digest
    }

    /// Whether nothing of any step is left running.
    pub(crate) async fn settles(&self) -> bool {
        let cgroups = Cgroups::detect(self.install).unwrap();
        let staging = self.images.root().join("staging");
        until(|| cgroups.list().is_empty() && fs::read_dir(&staging).unwrap().next().is_none())
            .await
    }
}

impl Drop for Kitchen {
    fn drop(&mut self) {
        let cgroups = Cgroups::detect(self.install).unwrap();
        drop(cgroups.remove_roots());
        if self.networked {
            Network::remove_all(self.install).unwrap();
        }
    }
}

/// A recipe and its files.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) base: &'static str,
    pub(crate) version: Option<&'static str>,
    pub(crate) image: String,
    pub(crate) process: &'static str,
    pub(crate) files: Vec<(&'static str, Vec<u8>)>,
    pub(crate) refresh: bool,
    pub(crate) unnamed: bool,
}

impl Recipe {
    pub(crate) fn small(image: &str) -> Self {
        Self {
            base: "small",
            version: Some("1.0"),
            image: image.to_owned(),
            process: "command = [\"/bin/sh\"]",
            files: Vec::new(),
            refresh: false,
            unnamed: false,
        }
    }

    pub(crate) fn debian(image: &str) -> Self {
        Self { base: "debian-12", ..Self::small(image) }
    }

    pub(crate) fn file(self, path: &'static str, text: &str) -> Self {
        self.binary(path, text.as_bytes().to_vec())
    }

    pub(crate) fn binary(mut self, path: &'static str, content: Vec<u8>) -> Self {
        self.files.retain(|(known, _)| *known != path);
        self.files.push((path, content));
        self
    }

    pub(crate) fn version(mut self, version: Option<&'static str>) -> Self {
        self.version = version;
        self
    }

    pub(crate) fn process(mut self, process: &'static str) -> Self {
        self.process = process;
        self
    }

    pub(crate) fn request(&self) -> NewBake {
        let Self { base, image, process, .. } = self;
        let recipe = format!(
            "app = \"hello\"\n[image]\nbase = \"{base}\"\n{image}\n[process.web]\n{process}\n"
        );
        let entry = |(path, content): &(&str, Vec<u8>)| ContextEntry {
            path: (*path).to_owned(),
            mode: 0o644,
            content: ContextContent::File {
                digest: Digest::of(content),
                size: content.len() as u64,
            },
        };
        NewBake {
            app: AppName::parse("hello").unwrap(),
            version: self.version.map(|version| Version::parse(version).unwrap()),
            recipe: Some(recipe),
            package: None,
            context: self.files.iter().map(entry).collect(),
            base: None,
            refresh: self.refresh,
            unnamed: self.unnamed,
        }
    }
}

pub(crate) fn by() -> By {
    By { who: "ann".to_owned(), at_ms: NOON }
}

/// What an error says, its causes included.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

pub(crate) async fn until(mut holds: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(20) {
        if holds() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes
}

/// Cargo builds examples beside the tests.
fn shim() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples/bakery-shim")
}

/// Makes the archives that are missing. Several tests, even several test runs, may do so at once:
/// the last one to be done wins, and both are whole.
fn make_archives() {
    static MADE: std::sync::Once = std::sync::Once::new();
    MADE.call_once(|| {
        fs::create_dir_all("/var/cache/kiln-test").unwrap();
        once(DEBIAN, |tar| {
            let mut command = Command::new("mmdebstrap");
            command.args(["--variant=minbase", "--mode=root", "--format=tar", "bookworm"]).arg(tar);
            command.env("SOURCE_DATE_EPOCH", "946684800");
            assert!(command.output().unwrap().status.success(), "mmdebstrap failed");
        });
        once(BUSYBOX, |tar| {
            let dir = tempfile::tempdir().unwrap();
            for path in ["bin", "etc", "usr/sbin", "tmp", "root"] {
                fs::create_dir_all(dir.path().join(path)).unwrap();
            }
            fs::copy("/bin/busybox", dir.path().join("bin/busybox")).unwrap();
            for name in ["sh", "touch", "rm", "cat", "echo", "sleep", "mkdir", "ls", "test"] {
                std::os::unix::fs::symlink("busybox", dir.path().join("bin").join(name)).unwrap();
            }
            fs::write(dir.path().join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
            fs::write(dir.path().join("etc/old"), "to be deleted\n").unwrap();
            let mut command = Command::new("tar");
            command.args(["--sort=name", "--mtime=@946684800", "--owner=0", "--group=0", "-C"]);
            command.arg(dir.path()).arg("-cf").arg(tar).arg(".");
            assert!(command.status().unwrap().success(), "tar failed");
        });
    });
}

fn once(path: &str, make: impl FnOnce(&Path)) {
    if Path::new(path).exists() {
        return;
    }
    let unfinished = PathBuf::from(format!("{path}.{}.tar", std::process::id()));
    make(&unfinished);
    fs::rename(&unfinished, path).unwrap();
}
