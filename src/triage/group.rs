//! Records with the same signature, together.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Serialize;

use super::record::Record;
use crate::report::model::Signature;

/// How many different tests, hosts, versions and runs of a group are named; the others are counted only.
const NAMED: usize = 50;

/// How many Python functions of a group are compared with those of records without symbols.
const SITES: usize = 1_000;

/// Crashes of one cause.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Group {
    /// The key of its signature.
    pub key: String,
    /// The signature for people.
    pub title: String,
    /// How many records it has.
    pub count: usize,
    /// How many of them had no symbols, and are here because no other group fits.
    #[serde(skip_serializing_if = "is_zero")]
    pub attached: usize,
    /// The earliest crash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<String>,
    /// The latest crash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
    /// The tests that were running.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tests: BTreeSet<String>,
    /// The systems they ran on.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub hosts: BTreeSet<String>,
    /// The versions of Python.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub pythons: BTreeSet<String>,
    /// The runs of CI they crashed in.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub runs: BTreeSet<String>,
    /// Where in Python the cause was reached: keys of call sites, with how many crashes each has.
    pub call_sites: BTreeMap<String, usize>,
    /// The path of the record that stands for the group: the first one with symbols.
    pub example: String,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// A group, and the record that stands for it.
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// The group.
    pub group: Group,
    /// Its first record with symbols.
    pub record: Record,
}

/// Groups records one by one: what it keeps grows with the causes, not with the records.
///
/// At the end, records without symbols join the one group that has the same kind, image and Python function, where
/// there is exactly one. Otherwise they stand for themselves: a wrong group is worse than two.
#[derive(Debug, Default)]
pub struct Grouper {
    complete: HashMap<String, Part>,
    /// Those without symbols.
    incomplete: HashMap<String, Part>,
    records: usize,
    ungrouped: Vec<Record>,
}

/// The records of one key.
#[derive(Debug, Default)]
struct Part {
    member: Member,
    /// The Python functions nearest to them.
    pythons: HashSet<String>,
}

/// What records without symbols and those with them have in common: kind, image, Python function.
type Site<'a> = (&'a str, &'a str, &'a str);

/// What records became.
#[derive(Debug, Default)]
pub struct Grouped {
    /// The largest first, equal ones by title.
    pub members: Vec<Member>,
    /// The records without a signature.
    pub ungrouped: Vec<Record>,
    /// How many records there were.
    pub records: usize,
}

impl Grouper {
    /// Takes a record in.
    pub fn add(&mut self, record: &Record) {
        self.records += 1;
        let Some(signature) = &record.signature else {
            self.ungrouped.push(record.clone());
            return;
        };
        let parts = match signature.incomplete {
            true => &mut self.incomplete,
            false => &mut self.complete,
        };
        if !parts.contains_key(&signature.key) {
            parts.insert(signature.key.clone(), Part::of(record, signature));
        }
        if let Some(part) = parts.get_mut(&signature.key) {
            part.add(record, signature);
        }
    }

    /// The groups.
    pub fn finish(mut self) -> Grouped {
        let keys = keys(&self.complete);
        let mut others: Vec<(Option<String>, Part)> = self
            .incomplete
            .into_values()
            .map(|part| (part.joins(&keys), part))
            .collect();
        // What is named of a group depends on the order.
        others.sort_by(|(_, a), (_, b)| a.member.group.key.cmp(&b.member.group.key));
        for (joins, part) in others {
            let attached = joins.is_some();
            let key = joins.unwrap_or_else(|| part.member.group.key.clone());
            match self.complete.get_mut(&key) {
                Some(other) => other.member.group.join(part.member.group, attached),
                None => {
                    self.complete.insert(key, part);
                }
            }
        }
        let mut members: Vec<Member> = self.complete.into_values().map(|part| part.member).collect();
        members.sort_by(|Member { group: a, .. }, Member { group: b, .. }| {
            (b.count, &a.title, &a.key).cmp(&(a.count, &b.title, &b.key))
        });
        Grouped {
            members,
            ungrouped: self.ungrouped,
            records: self.records,
        }
    }
}

/// The one key that each site has; none where it has several.
fn keys(parts: &HashMap<String, Part>) -> HashMap<Site<'_>, Option<String>> {
    let mut keys: HashMap<Site<'_>, Option<String>> = HashMap::new();
    for (key, part) in parts {
        for site in part.sites() {
            keys.entry(site)
                .and_modify(|one| *one = None)
                .or_insert_with(|| Some(key.clone()));
        }
    }
    keys
}

impl Part {
    fn of(record: &Record, signature: &Signature) -> Part {
        let group = Group {
            key: signature.key.clone(),
            title: signature.title.clone().unwrap_or_else(|| signature.key.clone()),
            example: record.path.clone(),
            ..Group::default()
        };
        Part {
            member: Member {
                group,
                record: record.clone(),
            },
            pythons: HashSet::new(),
        }
    }

    fn add(&mut self, record: &Record, signature: &Signature) {
        self.member.group.add(record, signature);
        if let Some(python) = &signature.python
            && self.pythons.len() < SITES
            && !self.pythons.contains(python)
        {
            self.pythons.insert(python.clone());
        }
    }

    /// The one key that records with symbols have at its sites.
    fn joins(&self, keys: &HashMap<Site<'_>, Option<String>>) -> Option<String> {
        let mut found = self.sites().map(|site| keys.get(&site)?.as_ref());
        let first = found.next()??;
        found.all(|key| key == Some(first)).then(|| first.clone())
    }

    /// Kind and image are part of the key, and so the same for all its records.
    fn sites(&self) -> impl Iterator<Item = Site<'_>> {
        let signature = self.member.record.signature.as_ref();
        let common = signature.and_then(|signature| Some((signature.kind.as_deref()?, signature.module.as_deref()?)));
        common
            .into_iter()
            .flat_map(|(kind, module)| self.pythons.iter().map(move |python| (kind, module, python.as_str())))
    }
}

impl Group {
    fn add(&mut self, record: &Record, signature: &Signature) {
        self.count += 1;
        if let Some(time) = &record.time {
            if self.first_seen.as_ref().is_none_or(|first| time < first) {
                self.first_seen = Some(time.clone());
            }
            if self.last_seen.as_ref().is_none_or(|last| time > last) {
                self.last_seen = Some(time.clone());
            }
        }
        for (set, value) in [
            (&mut self.tests, &record.test),
            (&mut self.hosts, &record.host),
            (&mut self.pythons, &record.python),
            (&mut self.runs, &record.run),
        ] {
            if let Some(value) = value
                && set.len() < NAMED
                && !set.contains(value)
            {
                set.insert(value.clone());
            }
        }
        if let Some(key) = &signature.call_site_key {
            if let Some(count) = self.call_sites.get_mut(key) {
                *count += 1;
            } else if self.call_sites.len() < NAMED {
                self.call_sites.insert(key.clone(), 1);
            }
        }
    }

    /// Takes in a group of records without symbols.
    fn join(&mut self, other: Group, attached: bool) {
        self.count += other.count;
        self.attached += if attached { other.count } else { 0 };
        self.first_seen = self.first_seen.take().into_iter().chain(other.first_seen).min();
        self.last_seen = self.last_seen.take().into_iter().chain(other.last_seen).max();
        for (set, more) in [
            (&mut self.tests, other.tests),
            (&mut self.hosts, other.hosts),
            (&mut self.pythons, other.pythons),
            (&mut self.runs, other.runs),
        ] {
            for value in more {
                if set.len() < NAMED {
                    set.insert(value);
                }
            }
        }
        for (key, count) in other.call_sites {
            if self.call_sites.len() < NAMED || self.call_sites.contains_key(&key) {
                *self.call_sites.entry(key).or_default() += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::triage::Status;

    fn record(key: &str, python: &str, incomplete: bool, time: &str) -> Record {
        Record {
            signature: Some(Signature {
                key: key.into(),
                title: Some(format!("title {key}")),
                kind: Some("MEM".into()),
                module: Some("_fast".into()),
                python: Some(python.into()),
                incomplete,
                ..Signature::default()
            }),
            time: Some(time.into()),
            ..Record::failed(&format!("{key}-{time}.dmp"), Status::Ok, None)
        }
    }

    fn group(records: &[Record]) -> Vec<Group> {
        let mut grouper = Grouper::default();
        records.iter().for_each(|record| grouper.add(record));
        let members = grouper.finish().members;
        members.into_iter().map(|member| member.group).collect()
    }

    #[test]
    fn the_largest_group_is_first() {
        let records = [
            record("a", "p", false, "2"),
            record("b", "q", false, "1"),
            record("b", "q", false, "3"),
        ];
        let groups = group(&records);
        let counts: Vec<_> = groups.iter().map(|group| (group.key.as_str(), group.count)).collect();
        assert_eq!(counts, [("b", 2), ("a", 1)]);
        assert_eq!(groups[0].first_seen.as_deref(), Some("1"));
        assert_eq!(groups[0].last_seen.as_deref(), Some("3"));
    }

    #[test]
    fn a_record_without_symbols_joins_the_only_group_of_its_place() {
        let records = [record("x", "p", true, "1"), record("a", "p", false, "2")];
        let groups = group(&records);
        assert_eq!(groups.len(), 1);
        assert_eq!(
            (groups[0].key.as_str(), groups[0].count, groups[0].attached),
            ("a", 2, 1)
        );
        assert_eq!(groups[0].example, "a-2.dmp");
        assert_eq!(groups[0].first_seen.as_deref(), Some("1"));
    }

    #[test]
    fn where_two_groups_would_do_it_joins_none() {
        let records = [
            record("x", "p", true, "1"),
            record("a", "p", false, "2"),
            record("b", "p", false, "2"),
        ];
        assert_eq!(group(&records).len(), 3);
    }
}
