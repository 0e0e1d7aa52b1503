//! The signatures that are known already: a small file that people review.

use serde::{Deserialize, Serialize};

use super::group::Group;

/// The file, as TOML.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The known signatures.
    #[serde(default)]
    pub known: Vec<Known>,
}

/// One known signature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The key of a signature, or of a call site.
    pub key: String,
    /// For people: what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Where it is dealt with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<String>,
    /// The last day on which it counts as known, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// Why a baseline cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It is not TOML of this form.
    #[error(transparent)]
    Syntax(#[from] toml::de::Error),
    /// A day is not one.
    #[error("{key}: expires = {expires:?} is not a day as 2027-01-31")]
    Day {
        /// The entry.
        key: String,
        /// What it says.
        expires: String,
    },
}

impl Baseline {
    /// Reads a baseline.
    ///
    /// # Errors
    /// Where the text is not TOML, has a field that is unknown, or a day that is not one.
    pub fn parse(text: &str) -> Result<Baseline, BaselineError> {
        let baseline: Baseline = toml::from_str(text)?;
        for known in &baseline.known {
            if let Some(expires) = known.expires.as_ref().filter(|day| !is_day(day)) {
                return Err(BaselineError::Day {
                    key: known.key.clone(),
                    expires: expires.clone(),
                });
            }
        }
        Ok(baseline)
    }

    /// The entry under which a group is known on a day (`YYYY-MM-DD`): of its key, or one for each of its call sites.
    pub fn find(&self, group: &Group, today: &str) -> Option<&Known> {
        let valid = |key: &str| {
            self.known
                .iter()
                .find(|known| known.key == key && known.expires.as_deref().is_none_or(|day| today <= day))
        };
        let by_site = || {
            let mut sites = group.call_sites.keys().map(|key| valid(key));
            let first = sites.next()??;
            sites.all(|site| site.is_some()).then_some(first)
        };
        valid(&group.key).or_else(by_site)
    }

    /// Adds the groups that are not in it yet, and gives how many those were. Entries that are there stay as they are.
    pub fn add(&mut self, groups: &[Group]) -> usize {
        let before = self.known.len();
        for group in groups {
            if !self.known.iter().any(|known| known.key == group.key) {
                self.known.push(Known {
                    key: group.key.clone(),
                    title: Some(group.title.clone()),
                    ..Known::default()
                });
            }
        }
        self.known.len() - before
    }

    /// The file's text.
    ///
    /// # Errors
    /// None that a baseline can cause; serde's interface has one.
    pub fn to_text(&self) -> Result<String, toml::ser::Error> {
        Ok(format!(
            "# Crashes that are known: `coldframe triage --baseline` does not fail for them.\n\
             # Each entry may have: issue = \"https://…\", expires = \"YYYY-MM-DD\".\n\n{}",
            toml::to_string_pretty(self)?
        ))
    }
}

/// `YYYY-MM-DD`, which compares as text.
fn is_day(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut part = |length: usize, most: u32| {
        parts
            .next()
            .filter(|part| part.len() == length)
            .and_then(|part| part.parse::<u32>().ok())
            .is_some_and(|number| (1..=most).contains(&number))
    };
    part(4, 9999) && part(2, 12) && part(2, 31) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(key: &str, sites: &[&str]) -> Group {
        Group {
            key: key.into(),
            title: format!("title of {key}"),
            call_sites: sites.iter().map(|site| (site.to_string(), 1)).collect(),
            ..Group::default()
        }
    }

    #[test]
    fn known_until_it_expires() {
        let baseline =
            Baseline::parse("[[known]]\nkey = 'a'\nissue = 'https://x/1'\nexpires = '2027-01-31'\n").unwrap();
        assert!(baseline.find(&group("a", &[]), "2027-01-31").is_some());
        assert!(baseline.find(&group("a", &[]), "2027-02-01").is_none());
        assert!(baseline.find(&group("b", &[]), "2027-01-01").is_none());
    }

    #[test]
    fn known_by_all_of_its_call_sites() {
        let baseline = Baseline::parse("[[known]]\nkey = 's'\n[[known]]\nkey = 't'\n").unwrap();
        assert!(baseline.find(&group("a", &["s", "t"]), "2027-01-01").is_some());
        assert!(baseline.find(&group("a", &["s", "u"]), "2027-01-01").is_none());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("[[known]]\nkey = 'a'\nexpires = 'soon'", "soon"),
            ("[[known]]\nkey = 'a'\nuntil = '2027-01-01'", "until"),
            ("known = 3", "known"),
        ] {
            let error = Baseline::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn new_groups_are_added_once() {
        let mut baseline = Baseline::default();
        assert_eq!(baseline.add(&[group("a", &[]), group("b", &[])]), 2);
        assert_eq!(baseline.add(&[group("a", &[])]), 0);
        let text = baseline.to_text().unwrap();
        assert_eq!(Baseline::parse(&text).unwrap(), baseline);
    }
}
