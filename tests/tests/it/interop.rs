//! Images that leave for other tools and come from them: skopeo, umoci and Docker itself.

use kiln_tests::{Docker, Kiln, Project, Ran, USER, rootfs};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::process::Command;

/// Runs a line of shell in the scratch directory.
fn shell(kiln: &Kiln, line: &str) -> Ran {
    let mut command = Command::new("sh");
    // What skopeo keeps between runs goes with the test.
    let home = kiln.scratch().join("home");
    command.args(["-ec", line]).current_dir(kiln.scratch()).env("HOME", &home);
    command.env("XDG_RUNTIME_DIR", &home).env("REGISTRY_AUTH_FILE", home.join("auth.json"));
    Ran::of(command)
}

/// The digest of an image that was baked, with the file that it answers with.
fn baked(kiln: &Kiln, app: &str) -> String {
    let project = Project::serving(kiln, app, "hello from elsewhere\n");
    let baked = kiln.json(["bake", app, "1.0", "--dir", project.dir()]);
    baked["image"].as_str().unwrap().to_owned()
}

fn token(kiln: &Kiln) -> String {
    std::fs::read_to_string(kiln.data().join("admin.token")).unwrap().trim().to_owned()
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"))
}

#[test]
fn what_is_exported_is_read_by_others_and_comes_back_as_the_same_image() {
    let kiln = Kiln::with_tiny();
    let digest = baked(&kiln, "hello");
    kiln.done(["image", "export", "hello:1.0", "hello.tar"]);
    let inspected = json(&shell(&kiln, "skopeo inspect oci-archive:hello.tar:1.0").exits(0));
    assert_eq!(inspected["Digest"], digest.as_str());
    let line = "skopeo copy --quiet oci-archive:hello.tar oci:layout:copied && \
                umoci unpack --image layout:copied bundle && cat bundle/rootfs/srv/version";
    let unpacked = shell(&kiln, line).exits(0);
    assert_eq!(unpacked.stdout, "hello from elsewhere\n");
    // As it was, as skopeo made a directory of it, as Docker's older archive, from a pipe, and each
    // into a Kiln that has never seen it.
    kiln.done(["image", "export", "hello:1.0", "docker.tar", "--format", "docker"]);
    let _inspected = shell(&kiln, "skopeo inspect docker-archive:docker.tar:hello:1.0").exits(0);
    let _packed = shell(&kiln, "gzip -k hello.tar").exits(0);
    let other = Kiln::start();
    for name in ["hello.tar", "layout", "docker.tar", "hello.tar.gz"] {
        let path = kiln.scratch().join(name).to_string_lossy().into_owned();
        // Skopeo packs layers anew when it copies into a directory: that is another image.
        let (version, same) = if name == "layout" { ("2", false) } else { ("1", true) };
        let named = ["--app", "hello", "--version", version];
        let imported = other.json(["image", "import", &path].into_iter().chain(named));
        assert_eq!(imported["image"] == digest.as_str(), same, "{name}: {imported}");
    }
    let shown = other.json(["image", "show", "hello:1"]);
    assert_eq!((&shown["foreign"], &shown["processes"][0]["name"]), (&false.into(), &"web".into()));
    // The same name for another image is refused.
    let foreign = foreign_layout(&kiln, "");
    let ran = other.run(["image", "import", &foreign, "--app", "hello", "--version", "1"]);
    ran.exits(5).says(&["a version is set once"]);
}

/// An image made with other tools alone, of the tiny root file system: the directory of its layout.
fn foreign_layout(kiln: &Kiln, config: &str) -> String {
    let rootfs = rootfs().unwrap();
    let line = format!(
        "test -d foreign || (umoci init --layout foreign && umoci new --image foreign:one && \
         umoci unpack --image foreign:one made >&2 && tar -xf {} -C made/rootfs && \
         echo from umoci > made/rootfs/srv/version && umoci repack --image foreign:one made >&2) && \
         umoci config --image foreign:one --config.entrypoint /bin/service --config.cmd serve \
         --config.workingdir /work/here --config.user nobody --config.stopsignal SIGTERM {config}",
        rootfs.display()
    );
    let _made = shell(kiln, &line).exits(0);
    kiln.scratch().join("foreign").to_string_lossy().into_owned()
}

#[test]
fn a_foreign_image_deploys_and_answers_through_the_router() {
    let kiln = Kiln::with_tiny();
    let layout = foreign_layout(&kiln, "--config.exposedports 8080/tcp --config.volume /var/data");
    let import = ["image", "import", &layout, "--app", "foreign", "--version", "2"];
    let imported = kiln.json(import);
    // Compressed layers are no reason for another digest.
    let stated = std::fs::read_to_string(Path::new(&layout).join("index.json")).unwrap();
    assert!(stated.contains(imported["image"].as_str().unwrap()), "{stated}");
    assert_eq!(kiln.json(import)["cached"], true);
    let shown = kiln.json(["image", "show", "foreign:2"]);
    let web = &shown["processes"][0];
    assert_eq!((&shown["foreign"], &web["port"]), (&true.into(), &8080.into()), "{shown}");
    assert_eq!(web["user"], "65534:65534");
    kiln.done(["app", "create", "foreign"]);
    let properties = r#"{"greeting": "good morning"}"#;
    let _put = kiln.put("foreign", "application-properties.json", properties).exits(0);
    let _set = kiln.set_token("foreign", b"of umoci").exits(0);
    kiln.done(["deploy", "foreign", "prod", "foreign:2", "-m", "from umoci"]);
    assert_eq!(kiln.get("foreign").text(), "from umoci\n");
    let secret = kiln_load::get(&kiln.target("foreign"), "/secret").unwrap().text();
    let digest: String = Sha256::digest(b"of umoci").iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(secret, digest);
    let greeting = kiln_load::get(&kiln.target("foreign"), "/greeting").unwrap().text();
    assert_eq!(greeting, "good morning");
    // Nothing in it could run launch data.
    let _put = kiln.put("foreign", "launch-data.json", r#"["true"]"#).exits(0);
    kiln.run(["redeploy", "foreign", "prod", "-m", "x"]).exits(4).says(&["launch-data.json"]);
}

#[test]
fn of_several_exposed_ports_the_configuration_says_which() {
    let kiln = Kiln::with_tiny();
    let ports = "--config.exposedports 8080/tcp --config.exposedports 9090/tcp";
    let layout = foreign_layout(&kiln, ports);
    let imported = kiln.json(["image", "import", &layout]);
    let image = imported["image"].as_str().unwrap();
    assert_eq!(kiln.list(["image", "list"])[0]["image"], image);
    kiln.done(["app", "create", "foreign"]);
    let ran = kiln.run(["deploy", "foreign", "prod", image, "-m", "by digest"]).exits(4);
    ran.says(&["exposes the ports 8080, 9090", r#"{"web": {"port": 8080}}"#]);
    let params = r#"{"min": 1, "processes": {"web": {"port": 8080}}}"#;
    let _put = kiln.put("foreign", "deployment-params.json", params).exits(0);
    kiln.done(["deploy", "foreign", "prod", image, "-m", "by digest"]);
    assert_eq!(kiln.get("foreign").text(), "from umoci\n");
}

#[test]
fn a_foreign_image_is_a_base_with_kiln_init_on_top() {
    let kiln = Kiln::with_tiny();
    let layout = foreign_layout(&kiln, "--config.env GREETING=hello");
    kiln.done(["base", "bake", "elsewhere", "--oci", &layout]);
    let project = Project::serving(&kiln, "hello", "on a foreign base\n");
    kiln.done(["bake", "hello", "1", "--base", "elsewhere", "--dir", project.dir()]);
    kiln.done(["deploy", "hello", "prod", "hello:1", "-m", "x"]);
    assert_eq!(kiln.get("hello").text(), "on a foreign base\n");
    let greeting = kiln_load::get(&kiln.target("hello"), "/greeting").unwrap().text();
    assert_eq!(greeting, "hello");
    let ran = kiln.run(["base", "bake", "x", "--oci", &layout, "--platform", "linux/s390x"]);
    ran.exits(6).says(&["for linux/s390x", "linux/amd64"]);
}

#[test]
fn docker_loads_and_runs_what_is_exported_and_what_it_saves_deploys() {
    let kiln = Kiln::with_tiny();
    let docker = Docker::start();
    baked(&kiln, "hello");
    let path = |name: &str| kiln.scratch().join(name).to_string_lossy().into_owned();
    for format in [&[][..], &["--format", "docker"]] {
        let archive = path(&format!("hello{}.tar", format.len()));
        kiln.done(["image", "export", "hello:1.0", &archive].into_iter().chain(format.to_owned()));
        docker.run(["load", "-i", &archive]).exits(0).says(&["hello:1.0"]);
    }
    // Through kiln-init, which becomes what it is given.
    let run = ["run", "--rm", "--network=none", "hello:1.0", "/bin/cat", "/srv/version"];
    let ran = docker.run(run).exits(0);
    assert_eq!(ran.stdout, "hello from elsewhere\n");

    let tree = format!(
        "cp {} box.tar && mkdir -p srv && echo from docker > srv/version && \
         tar --owner=0 --group=0 -rf box.tar srv/version",
        rootfs().unwrap().display()
    );
    let (_tree, archive) = (shell(&kiln, &tree).exits(0), path("box.tar"));
    let changes = [
        "--change=ENTRYPOINT [\"/bin/sh\", \"-c\"]",
        "--change=CMD [\"exec /bin/service serve\"]",
        "--change=EXPOSE 8080",
        "--change=USER nobody",
    ];
    let import = ["import"].into_iter().chain(changes).chain([archive.as_str(), "box:1"]);
    let _imported = docker.run(import).exits(0);
    let saved = path("saved.tar");
    let _saved = docker.run(["save", "box:1", "hello:1.0", "-o", &saved]).exits(0);
    kiln.run(["image", "import", &saved]).exits(5).says(&["box:1", "hello:1.0", "--name"]);
    let named = ["--name", "box:1", "--app", "box", "--version", "1"];
    kiln.done(["image", "import", &saved].into_iter().chain(named));
    kiln.done(["app", "create", "box"]);
    kiln.done(["deploy", "box", "prod", "box:1", "-m", "from docker"]);
    assert_eq!(kiln.get("box").text(), "from docker\n");
}

#[test]
fn skopeo_pulls_from_kiln_with_the_token_as_the_password() {
    let kiln = Kiln::with_tiny();
    let digest = baked(&kiln, "hello");
    let (api, token) = (kiln.api(), token(&kiln));
    let credentials = format!("--creds {USER}:{token} --tls-verify=false");
    let inspected = shell(&kiln, &format!("skopeo inspect {credentials} docker://{api}/hello:1.0"));
    let inspected = json(&inspected.exits(0));
    assert_eq!(inspected["Digest"], digest.as_str());
    assert_eq!(inspected["RepoTags"], serde_json::json!(["1.0"]));
    let source = format!("--src-creds {USER}:{token} --src-tls-verify=false");
    for (from, to) in [("hello:1.0", "pulled"), (&*format!("hello@{digest}"), "by-digest")] {
        let line = format!("skopeo copy --quiet {source} docker://{api}/{from} dir:{to}");
        let _copied = shell(&kiln, &line).exits(0);
        let manifest = kiln.scratch().join(to).join("manifest.json");
        let sum = shell(&kiln, &format!("sha256sum < {}", manifest.display())).exits(0).stdout;
        assert_eq!(format!("sha256:{}", sum.split(' ').next().unwrap()), digest);
    }
    let base = format!("skopeo inspect {credentials} docker://{api}/base/tiny:latest");
    let _base = shell(&kiln, &base).exits(0);
    let none = format!("skopeo inspect {credentials} docker://{api}/hello:2.0");
    assert_ne!(shell(&kiln, &none).says(&["manifest unknown"]).code, Some(0));
    let wrong =
        format!("skopeo inspect --creds x:wrong --tls-verify=false docker://{api}/hello:1.0");
    assert_ne!(shell(&kiln, &wrong).code, Some(0));
    let push = format!(
        "skopeo copy --quiet --dest-creds x:{token} --dest-tls-verify=false dir:pulled \
         docker://{api}/hello:2.0"
    );
    assert_ne!(shell(&kiln, &push).code, Some(0), "Kiln is pulled from alone");
}
