//! What an instance can see and do, read from the kernel once it runs.

use crate::lab::{Lab, status};
use kiln_container::signal_stop;
use std::fs::read_link;

#[tokio::test]
async fn a_running_instance_has_no_rights_and_namespaces_of_its_own() {
    let lab = Lab::new();
    let spec = lab.shell("trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done");
    let instance = lab.launch(&spec).await;
    let read = |field| status(instance.pid, field);
    assert_eq!(read("NoNewPrivs"), "1");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(read(set), "0000000000000000", "{set}");
    }
    assert_eq!(read("Uid"), "4242\t4242\t4242\t4242");
    assert_eq!(read("Gid"), "4343\t4343\t4343\t4343");
    assert_eq!(read("Groups").trim(), "");
    assert_eq!(read("SigBlk"), "0000000000000000");
    let ignored = u64::from_str_radix(&read("SigIgn"), 16).unwrap();
    assert_eq!(ignored & 0x5003, 0, "HUP, INT, PIPE and TERM do what they do anywhere");
    for kind in ["pid", "mnt", "ipc", "uts", "cgroup", "net"] {
        let namespace = |pid: &str| read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        let own = namespace(&instance.pid.to_string());
        assert_ne!(own, namespace("self"), "{kind}");
        // The shim is back among the host's mounts, so that its log does not pin them.
        if kind == "mnt" {
            assert_eq!(namespace(&instance.shim.pid.to_string()), namespace("self"));
        }
    }
    let open = std::fs::read_dir(format!("/proc/{}/fd", instance.pid)).unwrap();
    let mut open: Vec<_> = open.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    open.retain(|it| it.parse::<u32>().unwrap() > 2 && it != "10"); // The shell keeps its script at 10.
    assert!(open.is_empty(), "no descriptor but the standard ones: {open:?}");
    signal_stop(&instance.shim, &lab.boot).unwrap();
    lab.ended(&spec, &instance).await;
}

#[tokio::test]
async fn the_root_is_read_only_but_for_the_places_asked_for() {
    let lab = Lab::new();
    std::fs::create_dir_all(lab.image().join("var/cache/app")).unwrap();
    std::os::unix::fs::symlink("/run", lab.image().join("var/run")).unwrap();
    let mut spec = lab.shell(
        "for at in / /bin /var /var/cache /etc /proc/sys/kernel /sys; do
             (touch $at/x) 2>/dev/null && echo wrote $at
         done
         for at in /tmp /run/kiln /dev/shm /var/cache/app /var/cache/app/sub /var/run/app; do
             touch $at/x || echo cannot write $at
         done
         ls /run/app; stat -c '%a %u %g' /tmp /var/cache/app; ls /lab-secret",
    );
    spec.writable = ["/var/cache/app/sub", "/var/run/app", "/var/cache/app"].map(Into::into).into();
    let (_, log) = lab.run(&spec).await;
    let lines: Vec<&str> = log.lines().filter(|it| it.starts_with("stdout")).collect();
    let expected = ["stdout F x", "stdout F 1777 0 0", "stdout F 755 4242 4343"];
    assert_eq!(lines, expected, "{log}");
    assert!(std::fs::read_dir(lab.image()).unwrap().count() < 4, "the image is as it was");
}

#[tokio::test]
async fn the_kernel_shows_little_and_nothing_of_the_host() {
    let lab = Lab::new();
    let spec = lab.shell(
        "hostname; cat /etc/hostname; echo pid $$; ls /proc | grep -c '^[0-9]'
         cat /proc/keys | wc -c; ls /sys/firmware | wc -l; ls /dev | tr '\\n' ' '; echo
         grep -c lab /etc/hosts; env | sort | tr '\\n' ' '; echo; pwd",
    );
    let (_, log) = lab.run(&spec).await;
    let lines: Vec<&str> = log.lines().map(|it| it.trim_start_matches("stdout F ")).collect();
    assert_eq!(lines[..3], ["lab", "lab", "pid 1"], "{log}");
    assert!(lines[3].parse::<u32>().unwrap() <= 4, "processes: {}", lines[3]);
    assert_eq!(lines[4..6], ["0", "0"], "{log}");
    let dev = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero ";
    assert_eq!(lines[6].replace("kcore ", ""), dev, "{log}");
    assert_eq!(lines[7], "1");
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(lines[8..], [&format!("{path} PWD=/ SHLVL=1 "), "/"].map(|it| it as &str));
}

#[tokio::test]
async fn layers_lie_over_one_another_with_the_base_below() {
    let lab = Lab::new();
    let layer = |name: &str, text: &str| {
        let dir = lab.dir.path().join(name);
        std::fs::create_dir_all(dir.join("srv")).unwrap();
        std::fs::write(dir.join("srv/who"), text).unwrap();
        std::fs::write(dir.join("srv").join(name), "").unwrap();
        dir
    };
    let mut spec = lab.shell("cat /srv/who; ls /srv");
    spec.root.lower.extend([layer("middle", "middle\n"), layer("top", "top\n")]);
    let (_, log) = lab.run(&spec).await;
    assert_eq!(log, "stdout F top\nstdout F middle\nstdout F top\nstdout F who\n");
}

#[tokio::test]
async fn capabilities_are_exactly_those_asked_for() {
    let lab = Lab::new();
    let mut spec = lab.shell("grep Cap /proc/self/status");
    spec.capabilities = vec!["CHOWN".to_owned(), "KILL".to_owned()];
    spec.user.uid = 0;
    let (_, log) = lab.run(&spec).await;
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(log.contains(&format!("{set}:\t0000000000000021")), "{set} in {log}");
    }
}

#[tokio::test]
async fn an_image_whose_resolv_conf_is_a_dangling_link_gets_name_servers() {
    let lab = Lab::new();
    std::fs::create_dir(lab.image().join("etc")).unwrap();
    let link = lab.image().join("etc/resolv.conf");
    std::os::unix::fs::symlink("/run/systemd/resolve/stub-resolv.conf", link).unwrap();
    let (record, log) = lab.run(&lab.shell("cat /etc/resolv.conf")).await;
    assert_eq!(record.code, Some(0), "{log}");
    assert!(log.contains("nameserver"), "{log}");
}
