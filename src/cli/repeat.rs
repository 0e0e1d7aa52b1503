//! `coldframe run --repeat N`: the same command again and again, to meet a crash that is rare.

use std::collections::BTreeMap;

use clap::Args;
use coldframe::capture::environment::Environment;
use coldframe::capture::supervisor::Ending;
use coldframe::report::text::one_line;
use coldframe::triage::Record;

/// The options.
#[derive(Debug, Args)]
pub(super) struct Repeat {
    /// Run the command so many times, and say at the end how often it died of what
    #[arg(long, value_name = "N", conflicts_with = "exec", value_parser = clap::value_parser!(u32).range(1..))]
    repeat: Option<u32>,

    /// End with the first run that crashes
    #[arg(long, requires = "repeat")]
    until_crash: bool,

    /// Make errors of memory show: each second run has PYTHONMALLOC=debug, each third MALLOC_PERTURB_ with the C
    /// library's allocator
    #[arg(long, requires = "repeat")]
    hunt: bool,
}

/// What one run has that others have not: variables and how they are called.
#[derive(Clone, Copy, Debug)]
struct Variant {
    name: &'static str,
    variables: &'static [(&'static str, &'static str)],
}

/// In turn. pymalloc takes small objects out of the C library's hands, so MALLOC_PERTURB_ needs it gone.
const HUNT: [Variant; 3] = [
    Variant {
        name: "as it is",
        variables: &[],
    },
    Variant {
        name: "PYTHONMALLOC=debug",
        variables: &[("PYTHONMALLOC", "debug")],
    },
    Variant {
        name: "MALLOC_PERTURB_=165 PYTHONMALLOC=malloc",
        variables: &[("MALLOC_PERTURB_", "165"), ("PYTHONMALLOC", "malloc")],
    },
];

/// The runs so far.
#[derive(Debug)]
pub(super) struct Series<'a> {
    options: &'a Repeat,
    endings: Vec<Ending>,
    /// For each signature: its title, and the runs that it was seen in, from 0, once per crash.
    seen: BTreeMap<String, (String, Vec<usize>)>,
}

impl Repeat {
    /// Whether the command may run more than once.
    pub(super) fn is_used(&self) -> bool {
        self.repeat.is_some()
    }

    pub(super) fn series(&self) -> Series<'_> {
        Series {
            options: self,
            endings: Vec::new(),
            seen: BTreeMap::new(),
        }
    }
}

impl Series<'_> {
    fn variant(&self, run: usize) -> Variant {
        match self.options.hunt {
            true => HUNT[run % HUNT.len()],
            false => HUNT[0],
        }
    }

    /// The environment of the next run.
    pub(super) fn environment(&self, of_all: &Environment) -> Environment {
        let mut environment = of_all.clone();
        let variables = self.variant(self.endings.len()).variables;
        let variables = variables.iter().map(|&(name, value)| (name.into(), value.into()));
        environment.set.extend(variables);
        environment
    }

    /// Notes how a run ended and what crashed in it; whether there is to be another.
    pub(super) fn goes_on(&mut self, ending: Ending, crashes: &[Record], is_interrupted: bool) -> bool {
        let run = self.endings.len();
        self.endings.push(ending);
        for signature in crashes.iter().filter_map(|record| record.signature.as_ref()) {
            let title = signature.title.clone().unwrap_or_default();
            let entry = self.seen.entry(signature.key.clone());
            entry.or_insert((title, Vec::new())).1.push(run);
        }
        let has_crashed = !crashes.is_empty() || matches!(ending, Ending::Killed(_) | Ending::TimedOut);
        let is_enough = self.options.until_crash && has_crashed;
        !is_interrupted && !is_enough && self.endings.len() < self.options.repeat.unwrap_or(1) as usize
    }

    /// How all of it ends: as the first run that did not end well, else as the last.
    pub(super) fn ending(&self) -> Ending {
        let bad = self.endings.iter().find(|&&ending| ending != Ending::Exited(0));
        bad.or(self.endings.last()).copied().unwrap_or(Ending::Exited(0))
    }

    /// How often the command died of what, in lines.
    pub(super) fn summary(&self) -> Vec<String> {
        let count = |is: fn(&Ending) -> bool| self.endings.iter().filter(|ending| is(ending)).count();
        let mut lines = vec![format!(
            "{} runs: {} ended well, {} with an exit status, {} by a signal, {} out of time",
            self.endings.len(),
            count(|ending| *ending == Ending::Exited(0)),
            count(|ending| matches!(ending, Ending::Exited(1..))),
            count(|ending| matches!(ending, Ending::Killed(_))),
            count(|ending| *ending == Ending::TimedOut),
        )];
        let mut seen: Vec<_> = self.seen.iter().collect();
        seen.sort_by_key(|(_, (_, runs))| std::cmp::Reverse(runs.len()));
        for (key, (title, runs)) in seen {
            let mut text = format!("{} x {} [{key}] in run ", runs.len(), one_line(title, 200));
            let mut named = runs.clone();
            named.dedup();
            let names: Vec<String> = named.iter().take(10).map(|&run| self.name(run)).collect();
            text.push_str(&names.join(", "));
            if named.len() > names.len() {
                text.push_str(&format!(" and {} more", named.len() - names.len()));
            }
            lines.push(text);
        }
        lines
    }

    /// `3`, or `3 (PYTHONMALLOC=debug)`.
    fn name(&self, run: usize) -> String {
        match self.options.hunt {
            true => format!("{} ({})", run + 1, self.variant(run).name),
            false => (run + 1).to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldframe::report::model::Signature;

    fn options(repeat: u32, until_crash: bool) -> Repeat {
        Repeat {
            repeat: Some(repeat),
            until_crash,
            hunt: true,
        }
    }

    fn crash(key: &str) -> Record {
        Record {
            signature: Some(Signature {
                key: key.into(),
                title: Some(format!("title {key}")),
                ..Signature::default()
            }),
            ..Record::default()
        }
    }

    #[test]
    fn what_died_of_what_is_counted() {
        let options = options(3, false);
        let mut series = options.series();
        assert!(series.goes_on(Ending::Exited(0), &[], false));
        assert!(series.goes_on(Ending::Killed(11), &[crash("a"), crash("a")], false));
        assert!(!series.goes_on(Ending::Exited(1), &[crash("b")], false));
        assert_eq!(series.ending(), Ending::Killed(11));
        assert_eq!(
            series.summary(),
            [
                "3 runs: 1 ended well, 1 with an exit status, 1 by a signal, 0 out of time",
                "2 x title a [a] in run 2 (PYTHONMALLOC=debug)",
                "1 x title b [b] in run 3 (MALLOC_PERTURB_=165 PYTHONMALLOC=malloc)",
            ]
        );
    }

    #[test]
    fn a_crash_or_a_person_can_end_it() {
        let options = options(9, true);
        let mut series = options.series();
        assert!(series.goes_on(Ending::Exited(1), &[], false));
        assert!(!series.goes_on(Ending::Exited(0), &[crash("a")], false));
        assert_eq!(series.ending(), Ending::Exited(1));
        let mut series = options.series();
        assert!(!series.goes_on(Ending::Exited(0), &[], true));
    }
}
