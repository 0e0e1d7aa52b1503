//! Every kind of value on every Python. tests/value-kinds runs this, and it writes the table in docs/values.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use super::{Bench, Job, oracle, results, short, wanted_builds};
use crate::numpy;
use crate::venv::with_numpy;

/// How many values of each kind were compared on one build.
type Kinds = BTreeMap<String, usize>;

#[test]
#[ignore = "takes long; tests/value-kinds runs it"]
fn every_kind_of_value() {
    let bench = Bench::of(wanted_builds()).expect("Pythons and compilers");
    let mut builds: Vec<Kinds> = vec![Kinds::new(); bench.pythons.len()];
    let mut problems = Vec::new();
    let compared = bench.each(|sample, index, job| (sample, index, job.map_or(Ok(Vec::new()), |job| compare(&job))));
    for (sample, index, result) in compared {
        let place = format!("{sample} on {}", short(&bench.pythons[index]));
        match result {
            Ok(values) => {
                for value in values {
                    *builds[index].entry(value.kind).or_default() += 1;
                    problems.extend(value.problems.0.iter().map(|problem| format!("{place}: {problem}")));
                }
            }
            Err(problem) => problems.push(format!("{place}: {problem}")),
        }
    }
    let names: Vec<String> = bench.pythons.iter().map(short).collect();
    let mut arrays = Vec::new();
    for (python, name) in bench.pythons.iter().zip(&names) {
        let Some(python) = with_numpy(python) else { continue };
        let compared = numpy::compare(&python);
        problems.extend(compared.wrong.iter().map(|problem| format!("{name}: {problem}")));
        arrays.push(format!("{name} (numpy {}, {})", compared.version, compared.count));
    }
    results::insert("docs/values.md", &table(&names, &builds, &arrays, problems.len()));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The values of one sample beside what it says itself; none where it writes down no values.
fn compare(job: &Job<'_>) -> Result<Vec<oracle::Compared>, String> {
    let Some(function) = job.header.get("values") else {
        return Ok(Vec::new());
    };
    let label = format!("{}-kinds", job.label);
    let file = job.folder.join(&label).join("oracle.json");
    let variables = BTreeMap::from([("COLDFRAME_ORACLE", file.display().to_string())]);
    let outcome = job.run(&label, &[], &variables)?;
    let (report, ..) = outcome.single()?;
    let lines = fs::read_to_string(file.with_extension("json.tsv")).map_err(|error| error.to_string())?;
    oracle::compare_values(function, &lines, &report)
}

/// Kinds by the builds that have them, and how many values of each were compared.
fn table(names: &[String], builds: &[Kinds], arrays: &[String], wrong: usize) -> String {
    let all: usize = builds.iter().flat_map(BTreeMap::values).sum();
    let kinds: BTreeSet<&String> = builds.iter().flat_map(BTreeMap::keys).collect();
    let mut groups: BTreeMap<Vec<&str>, Vec<String>> = BTreeMap::new();
    for kind in &kinds {
        let having = names.iter().zip(builds).filter(|(_, kinds)| kinds.contains_key(*kind));
        let having = having.map(|(name, _)| name.as_str()).collect();
        let most = builds.iter().filter_map(|kinds| kinds.get(*kind)).max().unwrap_or(&0);
        groups.entry(having).or_default().push(format!("{kind} {most}"));
    }
    let mut text = format!(
        "Made by tests/value-kinds on {}, at commit {}: {all} values of {} kinds on {} builds, {wrong} of them wrong. \
         Builds: `t` free-threaded, `d` debug, `s` static.\n\n| builds | kinds, and how many values of each \
         |\n|---|---|\n",
        results::today(),
        results::commit(),
        kinds.len(),
        names.len(),
    );
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(having, _)| std::cmp::Reverse(having.len()));
    for (having, kinds) in groups {
        let place = match having.len() == names.len() {
            true => format!("all: {}", having.join(" ")),
            false => having.join(" "),
        };
        let _ = writeln!(text, "| {place} | {} |", kinds.join("; "));
    }
    let arrays = match arrays {
        [] => "none".to_string(),
        arrays => arrays.join(", "),
    };
    let _ = writeln!(text, "\nArrays and scalars of numpy, and how many: {arrays}.");
    text
}
