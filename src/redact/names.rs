//! Names that say that a value is secret.

/// Where in a name a term may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Anywhere: the term has no other meaning.
    Anywhere,
    /// As words of their own, or at the end: `access_token` and `accesstoken`, but not `tokenizer`.
    Words,
}

use Place::{Anywhere, Words};

/// The terms, without what separates their words.
const TERMS: [(&str, Place); 12] = [
    ("password", Anywhere),
    ("passwd", Anywhere),
    ("passphrase", Anywhere),
    ("secret", Words),
    ("token", Words),
    ("apikey", Anywhere),
    ("authorization", Anywhere),
    ("cookie", Words),
    ("privatekey", Anywhere),
    ("credential", Anywhere),
    ("accesskey", Anywhere),
    // multiprocessing: what a child process proves itself with.
    ("authkey", Anywhere),
];

/// The longest name that is looked at, in bytes.
const MAX_NAME: usize = 256;

/// Whether a variable, key or attribute of this name holds a secret. `apiKey`, `API_KEY` and `x-api-key` are one name.
pub fn is_secret(name: &str) -> bool {
    if name.len() > MAX_NAME {
        return false;
    }
    let words = words(name);
    let joined = words.concat();
    TERMS.iter().any(|&(term, place)| match place {
        Anywhere => joined.contains(term),
        Words => joined.strip_suffix('s').unwrap_or(&joined).ends_with(term) || has_words(&words, term),
    })
}

/// Whether one word is the term, in the singular or the plural.
fn has_words(words: &[String], term: &str) -> bool {
    words.iter().any(|word| word.strip_suffix('s').unwrap_or(word) == term)
}

/// The words of a name in lower case: it is split where there is no letter, and where a capital follows a small letter
/// or begins a word behind others (`XApiKey`, `HTTPToken`).
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut current = String::new();
    let mut chars = name.chars().peekable();
    let mut last: Option<char> = None;
    while let Some(c) = chars.next() {
        let is_start = c.is_uppercase()
            && last.is_some_and(|last| last.is_lowercase() || chars.peek().is_some_and(|next| next.is_lowercase()));
        if (is_start || !c.is_alphabetic()) && !current.is_empty() {
            words.push(std::mem::take(&mut current));
        }
        if c.is_alphabetic() {
            current.extend(c.to_lowercase());
        }
        last = Some(c);
    }
    if !current.is_empty() {
        words.push(current);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for name in [
            "password",
            "PASSWORD",
            "db_password",
            "userPasswords",
            "mypasswd",
            "apiKey",
            "API_KEY",
            "x-api-key",
            "XApiKey",
            "api key",
            "token",
            "tokens",
            "access_token",
            "accesstoken",
            "HTTPToken",
            "_Client__token",
            "token2",
            "AWS_SECRET_ACCESS_KEY",
            "secret",
            "clientSecret",
            "Authorization",
            "HTTP_AUTHORIZATION",
            "Set-Cookie",
            "session_cookies",
            "private_key",
            "privateKeyPem",
            "credentials",
            "aws-credential",
            "passphrase",
            "AZURE_STORAGE_ACCESS_KEY",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "",
            "user",
            "tokenizer",
            "tokenize",
            "secretary",
            "key",
            "keys",
            "pass",
            "path",
            "cookiecutter",
            "api",
            "author",
            "passed",
            "x",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
