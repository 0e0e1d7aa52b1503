//! A real browser: headless Chromium.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Folder, skip};
use crate::tools::find_program;

const NAMES: [&str; 4] = [
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
];

/// Chromium with a profile of its own; `None`, after a SKIP line, where there is none.
pub fn chromium(folder: &Folder, page: &Path, arguments: &[&str]) -> Option<Command> {
    let Some(program) = NAMES.into_iter().find_map(find_program) else {
        skip("no Chromium is installed");
        return None;
    };
    let mut command = Command::new(program);
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
        .args(["--disable-background-networking", "--disable-dev-shm-usage"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .env("HOME", folder.path())
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    Some(command)
}

/// The document as the browser understood it.
pub fn dom(folder: &Folder, page: &Path) -> Option<String> {
    let output = chromium(folder, page, &["--dump-dom"])?
        .output()
        .expect("Chromium runs");
    assert!(output.status.success(), "Chromium: {}", output.status);
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

/// A picture of the page, as PNG.
pub fn screenshot(folder: &Folder, page: &Path, dark: bool) -> Option<Vec<u8>> {
    let picture = folder.join("picture.png");
    let picture_argument = format!("--screenshot={}", picture.display());
    let scheme = format!("--blink-settings=preferredColorScheme={}", u8::from(!dark));
    let arguments = [picture_argument.as_str(), "--window-size=1200,1600", &scheme];
    let status = chromium(folder, page, &arguments)?
        .stdout(Stdio::null())
        .status()
        .expect("Chromium runs");
    assert!(status.success(), "Chromium: {status}");
    Some(std::fs::read(picture).expect("a picture"))
}
