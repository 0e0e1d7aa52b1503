//! What stays out of a dump: the same options wherever one is written.

use clap::Args;
use coldframe::capture::privacy::Privacy;

/// Options of `run`, `env` and `dump`.
#[derive(Clone, Debug, Args)]
pub struct PrivacyOptions {
    /// Leave the values of local variables out of dumps and reports
    #[arg(long)]
    no_locals: bool,

    /// Leave out values whose name (of the variable, key or attribute) or text matches this regular expression, beside
    /// those that are always left out (password, token, API keys, ...); may be repeated
    #[arg(long, value_name = "REGEX", value_parser = expression)]
    redact: Vec<String>,

    /// Leave the arguments of the command line out
    #[arg(long)]
    no_args: bool,

    /// Keep addresses alone of native stacks: other data in them may be parts of any string
    #[arg(long)]
    sanitize_stacks: bool,
}

impl PrivacyOptions {
    /// What the options alone ask for.
    pub fn asked(&self) -> Privacy {
        Privacy {
            no_locals: self.no_locals,
            no_arguments: self.no_args,
            sanitize_stacks: self.sanitize_stacks,
            redact: self.redact.clone(),
        }
    }

    /// The same and what the environment asks for.
    pub fn settled(&self) -> Privacy {
        Privacy::from_env().and(self.asked())
    }
}

fn expression(text: &str) -> Result<String, String> {
    let privacy = Privacy {
        redact: vec![text.to_string()],
        ..Privacy::default()
    };
    privacy
        .rules()
        .map(|_| text.to_string())
        .map_err(|error| error.to_string())
}
