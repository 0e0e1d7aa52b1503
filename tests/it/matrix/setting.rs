//! Where a row takes place: what goes before `coldframe run` and what between it and the program.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Setting;
use crate::harness::{COLDFRAME, python};

const SHELL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/programs/shell.py");
/// Size of a memory cgroup, in megabytes.
const CGROUP_SIZE: u32 = 160;

pub struct Place {
    setting: Setting,
    dumps: PathBuf,
    cgroup: Option<Cgroup>,
}

impl Place {
    pub fn new(setting: Setting, folder: &Path) -> Place {
        let name = folder.file_name().unwrap_or_default();
        let cgroup = match setting {
            Setting::LittleMemory(_) => Cgroup::new(Path::new(name)),
            _ => None,
        };
        Place {
            setting,
            dumps: folder.join("dumps"),
            cgroup,
        }
    }

    pub fn missing(&self) -> Option<String> {
        let works = |command: &[&str]| {
            let mut process = Command::new(command[0]);
            process.args(&command[1..]).stdout(Stdio::null()).stderr(Stdio::null());
            process.status().is_ok_and(|status| status.success())
        };
        let (holds, what) = match self.setting {
            Setting::Here | Setting::Environment(..) => (true, ""),
            Setting::WithNamespaces => (
                works(&["unshare", "--pid", "--fork", "--mount-proc", "true"]),
                "pid namespaces are not permitted",
            ),
            Setting::FullDisk | Setting::ReadOnlyFolder => (
                works(&["unshare", "--mount", "true"]),
                "mount namespaces are not permitted",
            ),
            Setting::InteractiveShell => (works(&["bash", "-c", "true"]), "bash is not installed"),
            Setting::AsNobody => {
                let test = ["test", "-x", COLDFRAME];
                (
                    works(&[&AS_NOBODY[..4], &test].concat()),
                    "not root, or its binaries are closed to others",
                )
            }
            Setting::LittleMemory(_) => (self.cgroup.is_some(), "no memory cgroup can be made"),
        };
        (!holds).then(|| what.to_string())
    }

    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let pair = |name: &str, value: String| (name.into(), value.into());
        match self.setting {
            Setting::Environment(name, value) => vec![pair(name, value.into())],
            Setting::LittleMemory(left) => vec![
                pair("FAULTS_LEFT", left.to_string()),
                pair("FAULTS_LIMIT", CGROUP_SIZE.to_string()),
            ],
            Setting::AsNobody => {
                // The cache of the other rows belongs to root.
                let cache = self.dumps.join("../nobody");
                let _ = fs::create_dir(&cache);
                let _ = nix::unistd::chown(&cache, Some(NOBODY.into()), Some(65534.into()));
                vec![pair(
                    "COLDFRAME_CACHE",
                    cache.canonicalize().unwrap_or(cache).display().to_string(),
                )]
            }
            _ => Vec::new(),
        }
    }

    /// The command without coldframe.
    pub fn plain(&self, command: &[OsString]) -> Vec<OsString> {
        [self.before(), self.between(), command.to_vec()].concat()
    }

    /// The same with `run` in it.
    pub fn captured(&self, run: &[OsString], command: &[OsString]) -> Vec<OsString> {
        [self.before(), run.to_vec(), self.between(), command.to_vec()].concat()
    }

    fn before(&self) -> Vec<OsString> {
        let dumps = self.dumps.display();
        match self.setting {
            Setting::AsNobody => words(&AS_NOBODY),
            Setting::FullDisk => mounted(&format!("mount -t tmpfs -o size=4k tmpfs {dumps}")),
            Setting::ReadOnlyFolder => mounted(&format!("mount -t tmpfs tmpfs {dumps}")),
            Setting::InteractiveShell => {
                let python = python().unwrap_or_default();
                vec![python.into(), SHELL.into()]
            }
            _ => Vec::new(),
        }
    }

    fn between(&self) -> Vec<OsString> {
        let dumps = self.dumps.display();
        match self.setting {
            Setting::ReadOnlyFolder => shell(&format!("mount -o remount,ro {dumps}")),
            Setting::LittleMemory(_) => {
                let procs = self.cgroup.as_ref().map(Cgroup::processes).unwrap_or_default();
                shell(&format!("echo $$ > {}", procs.display()))
            }
            _ => Vec::new(),
        }
    }
}

const NOBODY: u32 = 65534;
const AS_NOBODY: [&str; 7] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "env",
    "-u",
    "HOME",
];

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// Runs a line of shell first.
fn shell(line: &str) -> Vec<OsString> {
    words(&["sh", "-c", &format!("{line} && exec \"$@\""), "sh"])
}

fn mounted(line: &str) -> Vec<OsString> {
    [words(&["unshare", "--mount"]), shell(line)].concat()
}

/// A memory cgroup of [`CGROUP_SIZE`] megabytes, in the older or the newer hierarchy; removed when dropped.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(name: &Path) -> Option<Cgroup> {
        let size = (u64::from(CGROUP_SIZE) << 20).to_string();
        let attempts = [
            ("/sys/fs/cgroup/memory", &["memory.limit_in_bytes"][..]),
            ("/sys/fs/cgroup", &["memory.max", "memory.swap.max"]),
        ];
        attempts.iter().find_map(|(root, files)| {
            let folder = Path::new(root).join(name);
            fs::create_dir(&folder).ok()?;
            let group = Cgroup(folder);
            let set = |(index, file): (usize, &&str)| {
                let value = if index == 0 { size.as_str() } else { "0" };
                fs::write(group.0.join(file), value).is_ok() || index > 0
            };
            // Without delegation the files of the newer hierarchy are not there; writing must not make them.
            let is_there = group.0.join(files[0]).exists();
            (is_there && files.iter().enumerate().all(set)).then_some(group)
        })
    }

    fn processes(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The last process may still be on its way out.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}
