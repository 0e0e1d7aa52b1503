//! Source text: the literals of statements that name a secret.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::{Redactor, mask};

/// What a file holds that names a secret; the others are not looked at closely.
static HINTS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let hints = [
        "pass",
        "secret",
        "token",
        "key",
        "authorization",
        "cookie",
        "credential",
        "-----BEGIN",
    ];
    AhoCorasick::builder().ascii_case_insensitive(true).build(hints).ok()
});

/// One token of Python source, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// An identifier or keyword.
    Name(Range<usize>),
    /// What stands between the quotes of a literal.
    Literal(Range<usize>),
    /// The end of a statement.
    End,
}

impl Redactor {
    /// The text of a Python file without the literals that stand behind a secret name in the same statement, and
    /// without what looks like a secret. Each byte that is left out becomes an asterisk, so that positions stay.
    pub fn source_file(&self, text: &str) -> String {
        let is_candidate = HINTS.as_ref().is_none_or(|hints| hints.is_match(text));
        if !self.is_active() || (!is_candidate && self.rules.as_ref().is_some_and(|rules| rules.extra.is_empty())) {
            return text.to_string();
        }
        let mut hidden = super::patterns::find_keys(text);
        let mut is_secret = false;
        for token in tokens(text) {
            match token {
                Token::Name(range) => is_secret |= self.is_secret_name(&text[range]),
                Token::Literal(range) => {
                    // `environ["API_TOKEN"]`: a key, which is a name itself.
                    let literal = &text[range.clone()];
                    let is_key =
                        literal.len() <= 64 && literal.chars().all(|c| c.is_ascii_alphanumeric() || "_- ".contains(c));
                    if is_key && self.is_secret_name(literal) {
                        is_secret = true;
                    } else if is_secret {
                        hidden.push(range);
                    } else {
                        let parts = super::patterns::find(literal).into_iter();
                        hidden.extend(parts.map(|part| range.start + part.start..range.start + part.end));
                    }
                }
                Token::End => is_secret = false,
            }
        }
        hidden.sort_by_key(|range| range.start);
        mask(text, &hidden)
    }
}

/// The tokens of a file. What is no valid Python gives some tokens all the same.
fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let at = |index: usize| bytes.get(index).copied().unwrap_or_default();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    let mut tokens = Vec::new();
    let mut depth = 0u32;
    let mut i = 0;
    while i < bytes.len() {
        match at(i) {
            b'#' => {
                i += bytes[i..]
                    .iter()
                    .position(|&byte| byte == b'\n')
                    .unwrap_or(bytes.len() - i)
            }
            quote @ (b'"' | b'\'') => {
                let is_triple = at(i + 1) == quote && at(i + 2) == quote;
                let width = if is_triple { 3 } else { 1 };
                let start = i + width;
                let end = literal_end(bytes, start, quote, is_triple);
                tokens.push(Token::Literal(start..end));
                i = (end + width).min(bytes.len());
            }
            b'(' | b'[' | b'{' => {
                depth += 1;
                i += 1;
            }
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                i += 1;
            }
            // A bracket that is never closed ends with the next definition, below.
            b'\n' if depth == 0 && (i == 0 || at(i - 1) != b'\\') => {
                tokens.push(Token::End);
                i += 1;
            }
            b';' => {
                tokens.push(Token::End);
                i += 1;
            }
            byte if is_name(byte) => {
                let start = i;
                while is_name(at(i)) && i < bytes.len() {
                    i += 1;
                }
                if matches!(&bytes[start..i], b"def" | b"class") && (start == 0 || at(start - 1) == b'\n') {
                    depth = 0;
                    tokens.push(Token::End);
                }
                // The letters before a literal are its prefix.
                if !(matches!(at(i), b'"' | b'\'') && i - start <= 2) {
                    tokens.push(Token::Name(start..i));
                }
            }
            _ => i += 1,
        }
    }
    tokens
}

fn literal_end(bytes: &[u8], start: usize, quote: u8, is_triple: bool) -> usize {
    let mut i = start;
    while let Some(&byte) = bytes.get(i) {
        match byte {
            b'\\' => i += 1,
            b'\n' if !is_triple => return i,
            _ if byte == quote && (!is_triple || bytes[i..].starts_with(&[quote; 3])) => return i,
            _ => {}
        }
        i += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Rules;

    #[test]
    fn literals_behind_secret_names() {
        let redactor = Redactor::new(Rules::default());
        for (text, shown) in [
            (
                "password = 'hunter2'\nuser = 'bob'\n",
                "password = '*******'\nuser = 'bob'\n",
            ),
            (
                "login(user='bob', password=f'{x}2')",
                "login(user='bob', password=f'****')",
            ),
            (
                "API_KEY = (\n  'abc'\n  'def'\n)\nx = 'y'",
                "API_KEY = (\n  '***'\n  '***'\n)\nx = 'y'",
            ),
            ("SECRET = '''a\nbc'''; b = 'c'", "SECRET = '''*\n**'''; b = 'c'"),
            (
                "d = {'user': 'bob', 'token': 'x\\'y'}",
                "d = {'user': 'bob', 'token': '****'}",
            ),
            (
                "x = os.environ.get('API_TOKEN', 'dflt')",
                "x = os.environ.get('API_TOKEN', '****')",
            ),
            (
                "raise E('the token is bad')  # token 'x'",
                "raise E('the token is bad')  # token 'x'",
            ),
            ("if token == 'ä': pass\n", "if token == '**': pass\n"),
            (
                "post(data='user=bob&password=hunter2')",
                "post(data='user=bob&password=*******')",
            ),
            ("login(password=harmless, x=1)", "login(password=harmless, x=1)"),
            ("token = '", "token = '"),
            ("secret = \"ab\\", "secret = \"***"),
            ("cookie = \\\n 'a'\n'b'", "cookie = \\\n '*'\n'b'"),
        ] {
            assert_eq!(redactor.source_file(text), shown);
        }
        assert_eq!(Redactor::default().source_file("token = 'x'"), "token = 'x'");
    }
}
