//! What a report and the memory behind it admit as conclusions.
//!
//! [`RULES`] is the one list of rules; [`conclude`] tries them on a [`Scene`]: the report so far, the process, and the
//! registers at the fault. Precision comes before recall. A rule is `certain` only where the evidence admits nothing
//! else, and says nothing rather than guess. What tells where to look and not what broke is `likely` at most.
//!
//! Invariant: no file, and no memory but through the target: at capture and from the dump the findings are the same.

mod abi_mismatch;
mod abort_message;
mod allocator_mismatch;
mod arithmetic;
mod calls;
mod cut_file;
mod cxx_exception;
mod deadlock;
mod debug_allocator;
mod documentation;
mod duplicate_libraries;
mod fatal_error;
mod fill_bytes;
mod finalizing;
mod freed_object;
mod illegal_instruction;
mod import_time;
mod lost_lock;
mod negative_refcount;
mod noncanonical;
mod null_dereference;
mod null_pointer;
mod out_of_memory;
mod read_only;
mod rules;
mod rust_panic;
mod scene;
mod stack_overflow;
mod stack_smash;
mod thread_state;
mod wild_call;

#[cfg(test)]
mod testing;

use crate::report::model::{Confidence, Finding};

pub use calls::Unwound;
pub use rules::{RULES, Rule};
pub use scene::Scene;

/// What a rule says.
#[derive(Clone, Debug, PartialEq)]
struct Conclusion {
    confidence: Confidence,
    title: String,
    evidence: Vec<String>,
    advice: String,
}

impl Conclusion {
    fn new(confidence: Confidence, title: impl Into<String>) -> Conclusion {
        Conclusion {
            confidence,
            title: title.into(),
            evidence: Vec::new(),
            advice: String::new(),
        }
    }

    fn because(mut self, evidence: impl Into<String>) -> Conclusion {
        self.evidence.push(evidence.into());
        self
    }

    fn because_if(self, evidence: Option<impl Into<String>>) -> Conclusion {
        match evidence {
            Some(evidence) => self.because(evidence),
            None => self,
        }
    }

    fn advise(mut self, advice: impl Into<String>) -> Conclusion {
        self.advice = advice.into();
        self
    }
}

/// All that can be concluded, the most certain first.
pub fn conclude(scene: &Scene<'_>) -> Vec<Finding> {
    let found: Vec<(&Rule, Conclusion)> = RULES
        .iter()
        .filter_map(|rule| Some((rule, (rule.apply)(scene)?)))
        .collect();
    let is_explained = |id: &str, confidence: &Confidence| {
        found
            .iter()
            .any(|(rule, by)| rule.explains.contains(&id) && rank(&by.confidence) <= rank(confidence))
    };
    let mut findings: Vec<Finding> = found
        .iter()
        .filter(|(rule, conclusion)| !is_explained(rule.id, &conclusion.confidence))
        .map(|(rule, conclusion)| Finding {
            id: rule.id.to_string(),
            title: conclusion.title.clone(),
            confidence: conclusion.confidence.clone(),
            evidence: conclusion.evidence.clone(),
            advice: (!conclusion.advice.is_empty()).then(|| conclusion.advice.clone()),
        })
        .collect();
    findings.sort_by_key(|finding| rank(&finding.confidence));
    findings
}

fn rank(confidence: &Confidence) -> u8 {
    match confidence {
        Confidence::Certain => 0,
        Confidence::Likely => 1,
        Confidence::Possible | Confidence::Other(_) => 2,
    }
}
