//! Package files, made by dpkg and installed by apt.

use crate::kitchen::{Kitchen, Recipe};
use kiln_bakery::{BakeError, UnitError};
use kiln_protocol::bake::PackagedService;
use kiln_protocol::recipe::{CommandLine, Processes, User, labels};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

const UNIT: &str = "[Service]\nExecStart=/usr/bin/hello --loud\nUser=hello\nEnvironment=TONE=high\n\
                    RuntimeDirectory=hello\nKillSignal=SIGINT\nTimeoutStopSec=5\n";
const POSTINST: &str = "#!/bin/sh\nset -e\nuseradd --system --no-create-home hello\n\
                        invoke-rc.d hello start\nls / > /usr/share/hello-saw\ntouch /kiln-install/mine\n";

/// Makes a package, of version 1.0 unless it is `NAME=VERSION`. `fields` are lines of its control file; files beneath `DEBIAN/`
/// are maintainer scripts.
fn deb(name: &str, fields: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    let (name, version) = name.split_once('=').unwrap_or((name, "1.0"));
    let control = format!(
        "Package: {name}\nVersion: {version}\nMaintainer: Ann <ann@example.org>\nDescription: a test\n\
         {fields}\n"
    );
    for (path, text) in [("DEBIAN/control", control.as_str())].iter().chain(files) {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    let made = dir.path().join("made.deb");
    let mut command = Command::new("dpkg-deb");
    command.env("SOURCE_DATE_EPOCH", "946684800").arg("--root-owner-group");
    command.arg("--build").arg(&root).arg(&made);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    fs::read(made).unwrap()
}

/// A service with a unit, a user of its own, and a dependency.
fn hello(greeting: &str) -> Vec<u8> {
    let program = format!("#!/bin/sh\necho {greeting}\n");
    let files = [
        ("usr/bin/hello", program.as_str()),
        ("lib/systemd/system/hello.service", UNIT),
        ("lib/systemd/system/hello@.service", "[Service]\n"),
        ("DEBIAN/postinst", POSTINST),
    ];
    deb("hello", "Architecture: all\nDepends: tree", &files)
}

#[tokio::test]
async fn package_files_install_alike_in_two_data_directories_with_what_they_depend_on() {
    let recipe = Recipe::debian("install = [\"dist/*.deb\"]\nrun = [\"hello && tree --version\"]")
        .binary("dist/hello_1.0_all.deb", hello("ahoy"))
        .process("command = [\"/usr/bin/hello\"]\nuser = \"hello\"");
    let (one, two) = tokio::join!(Kitchen::debian(), Kitchen::debian());
    let (first, second) = tokio::join!(one.bake(&recipe), two.bake(&recipe));
    let (first, second) = (first.unwrap().0, second.unwrap().0);
    one.compare(&two, &first.image, &second.image);
    assert_eq!(first.layers[0].step, "install");

    // What kept the service from starting and where the file was is not in the layer.
    let paths = one.paths(&first.layers[0].diff_id);
    let left = |path: &&String| {
        path.contains("kiln-install") || path.ends_with(".deb") || path.contains("policy-rc.d")
    };
    assert_eq!(paths.iter().find(left), None);
    assert!(one.text(&first.image, "/usr/share/hello-saw").unwrap().contains("kiln-install\n"));
    let installed = &one.config(&first.image).labels[labels::PACKAGES];
    assert!(installed.contains(" hello=1.0 ") && installed.contains(" tree="), "{installed}");
    let marks = one.text(&first.image, "/var/lib/apt/extended_states").unwrap();
    assert!(marks.contains("Package: tree") && !marks.contains("Package: hello"), "{marks}");

    // The name of the file does not count; its content does, at the same version too.
    let renamed = Recipe { files: Vec::new(), ..recipe.clone() };
    let renamed = renamed.binary("dist/other.deb", hello("ahoy"));
    let (again, _) = one.bake(&renamed).await.unwrap();
    assert!(again.cached && again.layers.iter().all(|layer| layer.cached));
    let changed = recipe.clone().version(Some("2")).binary("dist/hello_1.0_all.deb", hello("moin"));
    let (other, _) = one.bake(&changed).await.unwrap();
    assert!(!other.layers[0].cached);
    assert!(one.text(&other.image, "/usr/bin/hello").unwrap().contains("moin"));
    let (refreshed, _) = one.bake(&Recipe { refresh: true, ..recipe }).await.unwrap();
    assert_eq!(refreshed.image, first.image);
    assert!(one.settles().await && two.settles().await);
}

#[tokio::test]
async fn a_file_of_the_very_version_that_is_there_replaces_it() {
    let kitchen = Kitchen::debian().await;
    let (before, _) = kitchen.bake(&Recipe::debian("packages = [\"tree\"]")).await.unwrap();
    let installed = kitchen.config(&before.image).labels[labels::PACKAGES].clone();
    let tree = installed.split(' ').find(|package| package.starts_with("tree=")).unwrap();
    // apt passes over what it takes for installed; here the file is what was asked for.
    let ours = deb(tree, "Architecture: all", &[("usr/bin/tree", "#!/bin/sh\necho ours\n")]);
    let recipe = Recipe::debian("packages = [\"tree\"]\ninstall = [\"tree.deb\"]");
    let recipe = recipe.version(Some("2")).binary("tree.deb", ours);
    let (after, _) = kitchen.bake(&recipe).await.unwrap();
    assert!(kitchen.text(&after.image, "/usr/bin/tree").unwrap().contains("ours"));
    assert!(after.layers[0].cached);
}

#[tokio::test]
async fn package_files_that_cannot_be_installed_fail_with_what_dpkg_says() {
    let kitchen = Kitchen::debian().await;
    let layers = || fs::read_dir(kitchen.images.root().join("layers")).unwrap().count();
    let before = layers();
    let check = async |package: Vec<u8>, expected: &str| {
        let recipe = Recipe::debian("install = [\"*.deb\"]").binary("it.deb", package);
        let error = kitchen.bake(&recipe).await.unwrap_err();
        let BakeError::Step(failure) = &error else { panic!("{error:?}") };
        assert_eq!(failure.step, "install it.deb");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(kitchen.settles().await);
        assert_eq!(layers(), before, "{expected}");
    };
    check(b"text\n".to_vec(), "'/kiln-install/it.deb' is not a Debian format archive").await;
    let foreign = deb("foreign", "Architecture: s390x", &[]);
    check(foreign, "package architecture (s390x) does not match system").await;
    let lonely = deb("lonely", "Architecture: all\nDepends: no-such-thing", &[]);
    check(lonely, "lonely : Depends: no-such-thing but it is not installable").await;
    let script = [("DEBIAN/postinst", "#!/bin/sh\necho the reason >&2; exit 3\n")];
    let failing = deb("failing", "Architecture: all", &script);
    check(failing.clone(), "the reason").await;
    check(failing, "post-installation script subprocess returned error exit status 3").await;
}

#[tokio::test]
async fn a_package_alone_runs_as_its_unit_says() {
    let kitchen = Kitchen::debian().await;
    let hello = Recipe::debian("").binary("hello_1.0_all.deb", hello("ahoy"));
    let port = std::num::NonZeroU16::new(8080);
    let asked = PackagedService { port, ..PackagedService::default() };
    let baked = kitchen.bake_package(&hello, asked.clone()).await.unwrap();
    let config = kitchen.config(&baked.image);
    assert!(config.env.contains(&"TONE=high".to_owned()), "{:?}", config.env);
    let processes = Processes::from_label(&config.labels[labels::PROCESSES]).unwrap();
    let (name, web) = processes.main().unwrap();
    assert_eq!((name.as_str(), web.port), ("web", port));
    assert_eq!(web.command, ["/usr/bin/hello", "--loud"]);
    assert_eq!((web.writable[0].as_str(), web.stop.signal.as_str()), ("/run/hello", "SIGINT"));
    assert!(web.uid > 0 && web.uid < 1000);
    assert!(kitchen.bake_package(&hello, asked.clone()).await.unwrap().cached);

    // What is told wins over what the unit says.
    let (unit, user) = (Some("hello".to_owned()), Some(User::parse("root").unwrap()));
    let hello = hello.version(Some("2"));
    let baked = kitchen.bake_package(&hello, PackagedService { unit, user, ..asked.clone() }).await;
    assert_eq!(kitchen.config(&baked.unwrap().image).user, "0:0");
    let command = Some(CommandLine::parse("/usr/bin/tree -a").unwrap());
    let hello = hello.version(Some("3"));
    let baked = kitchen.bake_package(&hello, PackagedService { command, ..asked }).await.unwrap();
    let config = kitchen.config(&baked.image);
    assert_eq!(
        (config.cmd.join(" ").as_str(), config.user.as_str()),
        ("/usr/bin/tree -a", "65532:65532")
    );
    assert!(!config.env.contains(&"TONE=high".to_owned()));
}

#[tokio::test]
async fn a_package_whose_unit_does_not_say_how_to_run_it_is_refused() {
    let kitchen = Kitchen::debian().await;
    let refused = async |files: &[(&str, &str)], unit: Option<&str>| {
        let package = deb("it", "Architecture: all", files);
        let recipe = Recipe::debian("").binary("it.deb", package);
        let asked = PackagedService { unit: unit.map(str::to_owned), ..PackagedService::default() };
        match kitchen.bake_package(&recipe, asked).await {
            Err(BakeError::Unit(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let (a, b) = ("usr/lib/systemd/system/a.service", "usr/lib/systemd/system/b.service");
    let units = vec!["a.service".to_owned(), "b.service".to_owned()];
    let rooted = "[Service]\nExecStart=/bin/true\n";
    assert_eq!(refused(&[], None).await, UnitError::None { packages: "it".to_owned() });
    let two = [(a, rooted), (b, rooted)];
    assert_eq!(refused(&two, None).await, UnitError::Several { units: units.clone() });
    let unknown = UnitError::Unknown { unit: "c".to_owned(), units };
    assert_eq!(refused(&two, Some("c")).await, unknown);
    let root = UnitError::Root { unit: "b.service".to_owned() };
    assert_eq!(refused(&two, Some("b")).await, root);
    let forking = refused(&[(a, "[Service]\nType=forking\n")], None).await;
    assert!(forking.to_string().contains("line 2: Type=forking"), "{forking}");
    let recipe = Recipe::debian("").file("it.txt", "text");
    let error = kitchen.bake_package(&recipe, PackagedService::default()).await.unwrap_err();
    assert!(matches!(error, BakeError::Context(_)), "{error:?}");
}
