//! Command lines, environments and other lists of names with values.

use std::collections::BTreeMap;

use super::{REDACTED, Redactor};

/// The most of an environment that is looked at, in bytes.
pub const MAX_ENVIRONMENT: usize = 256 * 1024;

impl Redactor {
    /// Learns the secrets of an environment, `NAME=VALUE` ended by zero bytes, as `/proc/PID/environ` has it.
    pub fn learn_environment(&self, block: &[u8]) {
        for entry in block.split(|&byte| byte == 0) {
            let mut parts = entry.splitn(2, |&byte| byte == b'=');
            let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            if self.is_secret_name(&String::from_utf8_lossy(name)) {
                self.add_bytes(value);
            } else if let Ok(text) = std::str::from_utf8(value) {
                for range in self.secrets_in(text) {
                    self.add_text(&text[range]);
                }
            }
        }
    }

    /// A command line without its secrets: `--password=x`, `--password x`, `PASSWORD=x`, and what looks like one. The
    /// secrets are known texts from then on.
    pub fn command(&self, command: &[String]) -> Vec<String> {
        let mut is_value = false;
        let mut shown = Vec::new();
        if self.hides_arguments() {
            // What is also the name of a file or function is told anyhow.
            command.iter().skip(1).for_each(|argument| self.add_text(argument));
            return command.iter().take(1).cloned().collect();
        }
        for argument in command {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (argument.as_str(), None),
            };
            let is_secret = is_name(name) && self.is_secret_name(name);
            shown.push(if is_value && !argument.starts_with('-') {
                self.add_text(argument);
                REDACTED.to_string()
            } else if let Some(value) = value.filter(|_| is_secret) {
                self.add_text(value);
                format!("{name}={REDACTED}")
            } else {
                for range in self.secrets_in(argument) {
                    self.add_text(&argument[range]);
                }
                self.replace(argument)
            });
            is_value = is_secret && value.is_none() && name.starts_with('-');
        }
        shown
    }

    /// Named texts, such as annotations, without their secrets.
    pub fn named_texts(&self, texts: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let shown = texts.iter().map(|(name, text)| {
            let text = match self.is_secret_name(name) {
                true => REDACTED.to_string(),
                false => self.replace(text),
            };
            (name.clone(), text)
        });
        shown.collect()
    }
}

/// Whether it can be the name of an option or variable, and is no path or sentence.
fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Rules;

    #[test]
    fn commands_and_environments() {
        let redactor = Redactor::new(Rules::default());
        redactor.learn_environment(b"HOME=/root\0DB_PASSWORD=swordfish-7\0URL=amqp://u:letmein99@h\0=\0x");
        let words = |text: &str| text.split(' ').map(str::to_string).collect::<Vec<_>>();
        let command = "python app.py --user bob --password hunter2 --api-key=abcdef1 TOKEN=xyz12 --token --verbose";
        assert_eq!(
            redactor.command(&words(command)),
            words(
                "python app.py --user bob --password <redacted> --api-key=<redacted> TOKEN=<redacted> --token --verbose"
            )
        );
        redactor.next_pass();
        for (text, shown) in [
            ("hunter2 and swordfish-7", "<redacted> and <redacted>"),
            ("letmein99", "<redacted>"),
            ("bob", "bob"),
        ] {
            assert_eq!(redactor.replace(text), shown);
        }
        let texts = [("user", "bob"), ("session_token", "x"), ("note", "got hunter2")];
        let texts = texts.map(|(name, text)| (name.to_string(), text.to_string())).into();
        let shown: Vec<String> = redactor.named_texts(&texts).into_values().collect();
        assert_eq!(shown, ["got <redacted>", "<redacted>", "bob"]);
    }
}
