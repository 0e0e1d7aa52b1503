//! Whether servers are asked for debug information, and what is said while they answer.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use coldframe::image::{Artifact, CacheDir, Debuginfod, DebuginfodOptions, Progress};
use coldframe::notes::Notes;

/// How often it is said.
const INTERVAL: Duration = Duration::from_millis(200);

/// The options.
#[derive(Debug, Args)]
pub struct Servers {
    /// Ask this server for debug information that is not here; may be repeated [default: none is asked]
    #[arg(
        long = "debuginfod",
        value_name = "URL",
        env = "DEBUGINFOD_URLS",
        hide_env_values = true,
        value_delimiter = ' '
    )]
    urls: Vec<String>,
}

impl Servers {
    /// Who is asked; nobody without a URL.
    pub fn client(&self, cache: Option<&CacheDir>, notes: &Rc<Notes>) -> Option<Rc<Debuginfod>> {
        let urls: Vec<String> = self.urls.iter().filter(|url| !url.is_empty()).cloned().collect();
        let options = DebuginfodOptions {
            urls,
            cache: cache.cloned(),
            notes: notes.clone(),
            progress: show,
        };
        (!options.urls.is_empty()).then(|| Rc::new(Debuginfod::new(options)))
    }
}

/// One line on a terminal, written over and over, and wiped in the end.
fn show(progress: Option<Progress<'_>>) {
    thread_local! {
        /// When the line was last written, counted from the begin of the request.
        static SHOWN: Cell<Option<Duration>> = const { Cell::new(None) };
    }
    let stderr = std::io::stderr();
    if !stderr.is_terminal() {
        return;
    }
    let line = match progress {
        None if SHOWN.take().is_none() => return,
        None => "\r\x1b[K".to_string(),
        Some(progress) => {
            let next = SHOWN.get().map_or(Duration::ZERO, |shown| shown + INTERVAL);
            if progress.elapsed < next {
                return;
            }
            SHOWN.set(Some(progress.elapsed));
            format!("\r\x1b[K{}", describe(&progress))
        }
    };
    // Whoever closed it does not read it.
    let _ = stderr.lock().write_all(line.as_bytes());
}

fn describe(progress: &Progress<'_>) -> String {
    let what = match progress.artifact {
        Artifact::DebugInfo => "debug information of ",
        Artifact::Executable => "",
    };
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let of_all = progress
        .total
        .map_or(String::new(), |total| format!(" of {:.1}", megabytes(total)));
    // Module names come from the input: nothing in them may steer a terminal.
    let module: String = progress.module.chars().filter(|c| !c.is_control()).take(60).collect();
    let received = megabytes(progress.received);
    format!(
        "fetching {what}{module} from {}: {received:.1}{of_all} MB",
        progress.server
    )
}
