//! What the user wants to stay out of dumps.

use std::env;
use std::ffi::OsString;

use regex::Regex;

use super::variables::{ARGUMENTS, LOCALS, REDACT, SANITIZE_STACKS};
use crate::redact::Rules;

/// What stays out beside the secrets that are known by name and form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// The values of local variables.
    pub no_locals: bool,
    /// The arguments of the command line, but the program.
    pub no_arguments: bool,
    /// What lies on native stacks and is no address.
    pub sanitize_stacks: bool,
    /// Names and values in which one of these regular expressions is found.
    pub redact: Vec<String>,
}

impl Privacy {
    /// From the environment; options add to it.
    #[must_use]
    pub fn from_env() -> Privacy {
        let is = |name, value: &str| env::var_os(name).is_some_and(|text| text == value);
        let redact = env::var_os(REDACT).filter(|text| !text.is_empty());
        Privacy {
            no_locals: is(LOCALS, "0"),
            no_arguments: is(ARGUMENTS, "0"),
            sanitize_stacks: is(SANITIZE_STACKS, "1"),
            redact: redact
                .into_iter()
                .map(|text| text.to_string_lossy().into_owned())
                .collect(),
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: Privacy) -> Privacy {
        self.no_locals |= other.no_locals;
        self.no_arguments |= other.no_arguments;
        self.sanitize_stacks |= other.sanitize_stacks;
        self.redact.extend(other.redact);
        self
    }

    /// The variables that say the same; none for what is not asked for, which the user may have set for good.
    #[must_use]
    pub fn variables(&self) -> Vec<(OsString, OsString)> {
        let switches = [
            (self.no_locals, LOCALS, "0"),
            (self.no_arguments, ARGUMENTS, "0"),
            (self.sanitize_stacks, SANITIZE_STACKS, "1"),
        ];
        let switches = switches.into_iter().filter(|(is_on, ..)| *is_on);
        let mut variables: Vec<(OsString, OsString)> =
            switches.map(|(_, name, value)| (name.into(), value.into())).collect();
        let redact = match self.redact.as_slice() {
            [] => None,
            [only] => Some(only.clone()),
            all => Some(
                all.iter()
                    .map(|text| format!("(?:{text})"))
                    .collect::<Vec<_>>()
                    .join("|"),
            ),
        };
        variables.extend(redact.map(|text| (REDACT.into(), text.into())));
        variables
    }

    /// The rules of redaction.
    ///
    /// # Errors
    /// Where an expression is none. Then nobody knows what is secret.
    pub fn rules(&self) -> Result<Rules, regex::Error> {
        Ok(Rules {
            extra: self
                .redact
                .iter()
                .map(|text| Regex::new(text))
                .collect::<Result<_, _>>()?,
            hides_arguments: self.no_arguments,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_travel_as_one() {
        let both = Privacy {
            redact: vec!["a|b".into()],
            no_locals: true,
            ..Privacy::default()
        };
        let both = both.and(Privacy {
            redact: vec!["(?i)c".into()],
            ..Privacy::default()
        });
        let pairs: Vec<(OsString, OsString)> =
            vec![(LOCALS.into(), "0".into()), (REDACT.into(), "(?:a|b)|(?:(?i)c)".into())];
        assert_eq!(both.variables(), pairs);
        assert!(both.rules().is_ok_and(|rules| rules.extra.len() == 2));
        let broken = Privacy {
            redact: vec!["(".into()],
            ..Privacy::default()
        };
        assert!(broken.rules().is_err());
        assert!(Privacy::default().variables().is_empty());
    }
}
