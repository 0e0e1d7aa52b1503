//! Records with the same signature, together.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::record::{Record, Status};
use crate::report::model::Signature;

/// How many different tests, hosts and versions of a group are named; the others are counted only.
const NAMED: usize = 50;

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
    /// Where in Python the cause was reached: keys of call sites, with how many crashes each has.
    pub call_sites: BTreeMap<String, usize>,
    /// The index of the record that stands for the group: the first one with symbols.
    #[serde(skip)]
    pub representative: usize,
    /// The path of that record.
    pub example: String,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// What records without symbols and those with them have in common.
type Site<'a> = (&'a str, &'a str, &'a str);

fn site(signature: &Signature) -> Option<Site<'_>> {
    Some((
        signature.kind.as_deref()?,
        signature.module.as_deref()?,
        signature.python.as_deref()?,
    ))
}

/// Groups records, the largest group first, equal ones by title.
///
/// Takes two passes: a record without symbols joins the one group that has the same kind, image and Python function,
/// where there is exactly one. Otherwise it stands for itself: a wrong group is worse than two.
pub fn group(records: &[Record]) -> Vec<Group> {
    let mut keys_at: HashMap<Site<'_>, BTreeSet<&str>> = HashMap::new();
    for signature in records.iter().filter_map(|record| record.signature.as_ref()) {
        if let (false, Some(site)) = (signature.incomplete, site(signature)) {
            let keys = keys_at.entry(site).or_default();
            // Two are as bad as many.
            if keys.len() < 2 {
                keys.insert(&signature.key);
            }
        }
    }
    let mut groups: HashMap<&str, Group> = HashMap::new();
    for (index, record) in records.iter().enumerate() {
        let Some(signature) = &record.signature else { continue };
        let joins = site(signature)
            .filter(|_| signature.incomplete)
            .and_then(|site| keys_at.get(&site))
            .filter(|keys| keys.len() == 1)
            .and_then(|keys| keys.first().copied());
        let group = groups.entry(joins.unwrap_or(&signature.key)).or_default();
        group.add(index, record, signature, joins.is_some());
    }
    let mut groups: Vec<Group> = groups
        .into_iter()
        .map(|(key, group)| Group {
            key: key.to_string(),
            ..group
        })
        .collect();
    groups.sort_by(|a, b| (b.count, &a.title, &a.key).cmp(&(a.count, &b.title, &b.key)));
    groups
}

impl Group {
    fn add(&mut self, index: usize, record: &Record, signature: &Signature, attached: bool) {
        let is_better = self.count == 0 || (!attached && self.count == self.attached);
        if is_better {
            self.representative = index;
            self.example = record.path.clone();
            self.title = signature.title.clone().unwrap_or_else(|| signature.key.clone());
        }
        self.count += 1;
        self.attached += usize::from(attached);
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
        ] {
            if let Some(value) = value
                && set.len() < NAMED
                && !set.contains(value)
            {
                set.insert(value.clone());
            }
        }
        if let Some(key) = &signature.call_site_key
            && (self.call_sites.len() < NAMED || self.call_sites.contains_key(key))
        {
            *self.call_sites.entry(key.clone()).or_default() += 1;
        }
    }
}

/// Records that have no group.
pub fn ungrouped(records: &[Record]) -> impl Iterator<Item = &Record> {
    records.iter().filter(|record| record.signature.is_none())
}

/// Whether any record could be analysed.
pub fn any_analysed(records: &[Record]) -> bool {
    records
        .iter()
        .any(|record| matches!(record.status, Status::Ok | Status::Partial))
}

#[cfg(test)]
mod tests {
    use super::*;

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
