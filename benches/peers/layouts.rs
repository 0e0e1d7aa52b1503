//! How long the layout of a Python takes, from its debug information and from the cache.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use coldframe::image::{CacheDir, ImageOptions, Images};
use coldframe::layout;
use coldframe::notes::Notes;
use coldframe::source::LiveProcess;

use crate::cases::Python;
use crate::table::Figure;

const RUNS: usize = 9;

/// Milliseconds, of a process that waits; none where its layout does not come from debug information.
pub fn figures(python: &Python, folder: &Path) -> Vec<Figure> {
    let child = Command::new(&python.executable)
        .args(["-I", "-c", "import sys; print(flush=True); sys.stdin.read()"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else { return Vec::new() };
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        let _ = std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line);
    }
    let cache = folder.join("layout-cache");
    let cold: Option<Vec<f64>> = (0..RUNS)
        .map(|_| {
            let _ = fs::remove_dir_all(&cache);
            milliseconds(child.id(), &cache)
        })
        .collect();
    let warm: Option<Vec<f64>> = (0..RUNS).map(|_| milliseconds(child.id(), &cache)).collect();
    let _ = child.kill();
    let _ = child.wait();
    let figure = |what, bound, values| Figure::new(format!("{} layout: {what}", python.version), bound, "ms", values);
    cold.map(|values| figure("from debug information", 150.0, values))
        .into_iter()
        .chain(warm.map(|values| figure("from the cache", 5.0, values)))
        .collect()
}

fn milliseconds(pid: u32, cache: &Path) -> Option<f64> {
    let process = LiveProcess::attach(pid, Instant::now() + std::time::Duration::from_secs(5)).ok()?;
    let cache = CacheDir::at(cache).ok()?;
    let begin = Instant::now();
    let images = Images::new(ImageOptions {
        cache: Some(cache.clone()),
        ..ImageOptions::default()
    });
    let layout = layout::resolve(&process, &images, Some(&cache), &Notes::new())?;
    let taken = begin.elapsed().as_secs_f64() * 1e3;
    (layout.provider == layout::Provider::Dwarf).then_some(taken)
}
