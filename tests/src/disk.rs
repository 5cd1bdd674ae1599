//! A file system of its own for one Kiln's data: filled and emptied, made read-only and writable again.

use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Room for a program with all its debugging symbols, a base and some images.
const SIZE: &str = "size=400m,nr_inodes=40k";
/// The file that takes up the room.
const FILLER: &str = "filler";
/// What is given out is counted in pages.
const PAGE: u64 = 4096;

/// A file system in memory; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one below a directory.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn mount(below: &Path) -> Result<Self> {
        let path = below.join("disk");
        std::fs::create_dir(&path)?;
        run(Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(&path))?;
        Ok(Self { path })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes are free.
    ///
    /// # Panics
    /// When the kernel does not tell.
    #[must_use]
    pub fn free(&self) -> u64 {
        let told = rustix::fs::statvfs(&self.path).expect("it is mounted");
        told.f_bavail * told.f_frsize
    }

    /// Leaves so many bytes free.
    ///
    /// # Panics
    /// When the file system refuses.
    pub fn fill(&self, leave: u64) {
        let path = self.path.join(FILLER);
        let file = File::options().create(true).append(true).open(path).expect("a file is made");
        let flags = rustix::fs::FallocateFlags::empty();
        loop {
            let size = file.metadata().expect("it is open").len();
            let more = self.free().saturating_sub(leave) / PAGE * PAGE;
            if more == 0 {
                return;
            }
            match rustix::fs::fallocate(&file, flags, size, more) {
                // Somebody else took some of it meanwhile.
                Err(rustix::io::Errno::NOSPC) | Ok(()) => {}
                Err(error) => panic!("fill the disk: {error}"),
            }
        }
    }

    /// Takes all files that are left, but so many.
    ///
    /// # Panics
    /// When the file system refuses.
    pub fn use_up_files(&self, leave: u64) {
        let dir = self.path.join("files");
        std::fs::create_dir(&dir).expect("one more directory");
        let told = rustix::fs::statvfs(&self.path).expect("it is mounted");
        for n in 0..told.f_favail.saturating_sub(leave) {
            File::create(dir.join(n.to_string())).expect("that many were free");
        }
    }

    /// Gives all room back.
    pub fn empty(&self) {
        // What was not taken need not be given back.
        std::fs::remove_file(self.path.join(FILLER)).ok();
        std::fs::remove_dir_all(self.path.join("files")).ok();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whatever of a failed test still holds it must not keep the rest from being removed.
        run(Command::new("umount").arg("--lazy").arg(&self.path)).ok();
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().context("run mount")?;
    ensure!(output.status.success(), "mount: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
