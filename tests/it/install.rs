//! Handler and helper are loaded by every program of the tree: what others planted, replaced or can write to is
//! replaced where the folder is ours, and refused where it is not.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use coldframe::capture::install::{InstallError, candidates, in_place, install_below};
use coldframe_handler::{IMAGE, IMAGE_NAME};

use crate::support::{Folder, skip};

fn euid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
}

/// A stand-in for the running binary.
fn binary(folder: &Folder) -> PathBuf {
    let path = folder.join("coldframe");
    fs::write(&path, "#!/bin/sh\nexit 0\n").expect("a file");
    chmod(&path, 0o755);
    path
}

fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).expect("the file").ino()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("the file").mode() & 0o7777
}

#[test]
fn a_second_run_uses_what_the_first_one_left() {
    let folder = Folder::new();
    let binary = binary(&folder);
    let installed = install_below(&folder.join("cache"), &binary, euid()).expect("a first install");
    let before = inode(&installed.handler);
    assert_eq!(fs::read(&installed.handler).expect("the handler"), IMAGE);
    assert_eq!(mode(&installed.handler), 0o644);
    assert_eq!(
        inode(&installed.handler.with_file_name("coldframe")),
        inode(&binary),
        "a hard link"
    );
    assert_eq!(
        install_below(&folder.join("cache"), &binary, euid()).expect("a second"),
        installed
    );
    assert_eq!(inode(&installed.handler), before);
}

type Plant<'a> = &'a dyn Fn(&Path);

#[test]
fn planted_and_replaced_files_are_repaired() {
    let folder = Folder::new();
    let binary = binary(&folder);
    let install = || {
        install_below(&folder.join("cache"), &binary, euid())
            .expect("an install")
            .handler
    };
    let handler = install();
    let helper = handler.with_file_name("coldframe");
    let victim = folder.join("victim");
    fs::write(&victim, "untouched").expect("a file");

    let plants: [(&str, Plant<'_>); 5] = [
        ("other content", &|path| {
            fs::write(path, "evil").expect("write")
        }),
        ("a link", &|path| symlink(&victim, path).expect("symlink")),
        ("a file others can write", &|path| {
            fs::write(path, IMAGE).expect("write");
            chmod(path, 0o666);
        }),
        ("a pipe", &|path| {
            nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).expect("mkfifo")
        }),
        ("nothing", &|_| {}),
    ];
    for (what, plant) in plants {
        for file in [&handler, &helper] {
            fs::remove_file(file).expect("remove");
            plant(file);
            assert_eq!(install(), handler, "{what}");
            assert!(
                fs::symlink_metadata(file).expect("the file").is_file(),
                "{what}"
            );
            assert_eq!(mode(file) & 0o022, 0, "{what}");
        }
        assert_eq!(fs::read(&handler).expect("the handler"), IMAGE, "{what}");
        assert_eq!(
            fs::read(&helper).expect("the helper"),
            fs::read(&binary).expect("the binary"),
            "{what}"
        );
    }
    assert_eq!(fs::read(&victim).expect("the file"), b"untouched");
    let left = fs::read_dir(handler.parent().expect("a folder"))
        .expect("the folder")
        .count();
    assert!(left <= 3, "temporary files are left behind");
}

#[test]
fn a_folder_open_to_others_is_closed() {
    let folder = Folder::new();
    let binary = binary(&folder);
    let handler = install_below(&folder.join("cache"), &binary, euid())
        .expect("an install")
        .handler;
    chmod(handler.parent().expect("a folder"), 0o777);
    fs::write(&handler, "evil").expect("write");
    install_below(&folder.join("cache"), &binary, euid()).expect("a repaired install");
    assert_eq!(mode(handler.parent().expect("a folder")), 0o755);
    assert_eq!(fs::read(&handler).expect("the handler"), IMAGE);
}

#[test]
fn ancestors_that_others_can_change_are_refused() {
    let folder = Folder::new();
    let binary = binary(&folder);
    let open = folder.join("open");
    fs::create_dir(&open).expect("a folder");
    chmod(&open, 0o777);
    let error =
        install_below(&open.join("cache"), &binary, euid()).expect_err("a folder open to others");
    assert!(
        matches!(&error, InstallError::Unsound { path, .. } if *path == open),
        "{error}"
    );
    // With the sticky bit, as /tmp has it, others cannot rename what is ours.
    chmod(&open, 0o1777);
    install_below(&open.join("cache"), &binary, euid()).expect("a sticky folder");
}

#[test]
fn a_link_in_place_of_the_folder_is_refused() {
    let folder = Folder::new();
    let binary = binary(&folder);
    let handler = install_below(&folder.join("cache"), &binary, euid())
        .expect("an install")
        .handler;
    let version = handler.parent().expect("a folder");
    let elsewhere = folder.join("elsewhere");
    fs::rename(version, &elsewhere).expect("rename");
    symlink(&elsewhere, version).expect("symlink");
    assert!(matches!(
        install_below(&folder.join("cache"), &binary, euid()),
        Err(InstallError::Unsound { .. })
    ));
}

#[test]
fn folders_and_files_of_another_user_are_refused_or_replaced() {
    if euid() != 0 {
        return skip("only root can give files away");
    }
    let folder = Folder::new();
    let binary = binary(&folder);
    let handler = install_below(&folder.join("cache"), &binary, 0)
        .expect("an install")
        .handler;
    let before = inode(&handler);
    chown(&handler, Some(12345), None).expect("chown");
    install_below(&folder.join("cache"), &binary, 0).expect("a repaired install");
    assert_ne!(inode(&handler), before);
    chown(handler.parent().expect("a folder"), Some(12345), None).expect("chown");
    assert!(matches!(
        install_below(&folder.join("cache"), &binary, 0),
        Err(InstallError::Unsound { .. })
    ));
    chown(handler.parent().expect("a folder"), Some(0), None).expect("chown");
    // Children that give up root could not load it from there.
    chmod(&folder.join("cache"), 0o700);
    assert!(matches!(
        install_below(&folder.join("cache"), &binary, 0),
        Err(InstallError::Unsound { .. })
    ));
}

#[test]
fn paths_that_ld_preload_cannot_name_are_refused() {
    let folder = Folder::new();
    let binary = binary(&folder);
    for name in ["with space", "with:colon", "with$dollar"] {
        let result = install_below(&folder.join(name), &binary, euid());
        assert!(
            matches!(result, Err(InstallError::Unnameable { .. })),
            "{name}"
        );
    }
}

#[test]
fn across_file_systems_the_helper_is_a_copy_that_is_compared() {
    let shm = Path::new("/dev/shm");
    if !shm.is_dir()
        || fs::metadata(shm).expect("a folder").dev()
            == fs::metadata("/tmp").expect("a folder").dev()
    {
        return skip("/dev/shm is not another file system");
    }
    let (folder, far) = (Folder::new(), Folder::below(shm));
    let binary = binary(&far);
    let install = || {
        install_below(&folder.join("cache"), &binary, euid())
            .expect("an install")
            .handler
    };
    let helper = install().with_file_name("coldframe");
    let before = inode(&helper);
    install();
    assert_eq!(inode(&helper), before, "an equal copy stays");
    // Same size, other content, same times: the ctime still tells.
    let times = fs::metadata(&helper)
        .expect("the helper")
        .modified()
        .expect("a time");
    fs::write(&helper, "#!/bin/sh\nexit 1\n").expect("write");
    fs::File::options()
        .write(true)
        .open(&helper)
        .expect("open")
        .set_modified(times)
        .expect("set the time");
    install();
    assert_eq!(
        fs::read(&helper).expect("the helper"),
        fs::read(&binary).expect("the binary")
    );
}

#[test]
fn a_handler_beside_the_binary_is_used_in_place_if_sound() {
    let folder = Folder::new();
    let binary = binary(&folder);
    let handler = folder.join(IMAGE_NAME);
    assert!(in_place(&binary, euid()).is_err());
    fs::write(&handler, IMAGE).expect("write");
    chmod(&handler, 0o644);
    assert_eq!(
        in_place(&binary, euid()).expect("in place").handler,
        handler
    );
    chmod(&handler, 0o664);
    assert!(matches!(
        in_place(&binary, euid()),
        Err(InstallError::Unsound { .. })
    ));
    fs::write(&handler, "another version").expect("write");
    chmod(&handler, 0o644);
    assert!(matches!(
        in_place(&binary, euid()),
        Err(InstallError::Different { .. })
    ));
}

#[test]
fn the_candidates_come_in_order() {
    let variable = |name: &str| match name {
        "COLDFRAME_CACHE" => Some("/c".into()),
        "XDG_CACHE_HOME" => Some("relative".into()),
        "HOME" => Some("/h".into()),
        _ => None,
    };
    let paths = |euid| {
        candidates(&variable, euid)
            .iter()
            .map(|path| path.display().to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        paths(1000),
        ["/c", "/h/.cache/coldframe", "/tmp/coldframe-1000"]
    );
    assert_eq!(
        paths(0),
        [
            "/c",
            "/run/coldframe",
            "/var/cache/coldframe",
            "/h/.cache/coldframe",
            "/tmp/coldframe-0"
        ]
    );
}
