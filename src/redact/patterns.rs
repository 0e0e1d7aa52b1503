//! Texts that look like secrets, whatever they are called.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use regex::bytes;

/// Forms of keys. Each begins with letters that are rare elsewhere, so that looking for all of them is one quick search.
const KEYS: [&str; 14] = [
    // RFC 7468, whole or cut off.
    r"-----BEGIN [A-Z0-9 ]{1,60}-----[A-Za-z0-9+/=:,.\-\s\\]{16,}",
    // JSON Web Tokens: two or three parts, the first two of which are JSON objects in Base64.
    r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?",
    // Amazon Web Services: access key ids.
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    // GitHub, GitLab.
    r"gh[pousr]_[A-Za-z0-9]{30,}",
    r"github_pat_[A-Za-z0-9_]{22,}",
    r"glpat-[A-Za-z0-9_-]{20,}",
    // Slack, Stripe, Google.
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{10,}",
    r"AIza[A-Za-z0-9_-]{35}",
    // OpenAI, Anthropic.
    r"\bsk-[A-Za-z0-9_-]{20,}",
    // npm, PyPI, SendGrid.
    r"\bnpm_[A-Za-z0-9]{36}",
    r"\bpypi-[A-Za-z0-9_-]{32,}",
    r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    // RFC 6750.
    r"\bBearer [A-Za-z0-9._~+/-]{16,}=*",
];

/// Places in a text that name a secret, as a URL, a form, JSON or a header does; the secret is the group `s`.
const PLACES: [&str; 4] = [
    r"://[^\s/:@'\x22]{0,100}:(?P<s>[^\s/@'\x22]{1,200})@",
    r"(?i)[a-z0-9_.-]{0,40}(?:password|passwd|passphrase|secret|token|api[_-]?key|authorization|cookie|private[_-]?key|credentials?)[a-z0-9_.-]{0,40}=(?P<s>[^\s=&;,'\x22(){}\[\]]{4,})",
    r"(?i)['\x22][a-z0-9_. -]{0,40}(?:password|passwd|passphrase|secret|token|api[_-]?key|authorization|cookie|private[_-]?key|credential)s?['\x22]\s?:\s?b?['\x22](?P<s>[^'\x22]+)",
    r"(?im)^(?:proxy-)?(?:authorization|(?:set-)?cookie|x-api-key|x-auth-token)\s?:\s?(?P<s>[^\r\n]+)",
];

/// The longest text in which [`PLACES`] are looked for, in bytes.
const MAX_TEXT: usize = 64 * 1024;

// The patterns are constants, which a test compiles.
static KEY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&KEYS.join("|")).ok());
static KEY_BYTES: LazyLock<Option<bytes::Regex>> =
    LazyLock::new(|| bytes::RegexBuilder::new(&KEYS.join("|")).unicode(false).build().ok());
static PLACE: LazyLock<Vec<Regex>> = LazyLock::new(|| PLACES.iter().filter_map(|text| Regex::new(text).ok()).collect());

/// Where a text holds a key.
pub fn find_keys(text: &str) -> Vec<Range<usize>> {
    let keys = KEY.iter().flat_map(|key| key.find_iter(text));
    keys.map(|found| found.range()).collect()
}

/// Where a text holds what looks like a secret; the ranges may overlap.
pub fn find(text: &str) -> Vec<Range<usize>> {
    // The shortest is a password within a URL.
    if text.len() < 8 {
        return Vec::new();
    }
    let mut found = find_keys(text);
    if text.len() <= MAX_TEXT && text.contains([':', '=']) {
        for place in PLACE.iter() {
            let secrets = place.captures_iter(text).filter_map(|found| found.name("s"));
            found.extend(secrets.map(|secret| secret.range()));
        }
    }
    found
}

/// Where bytes hold a key.
pub fn find_bytes(bytes: &[u8]) -> Vec<Range<usize>> {
    let keys = KEY_BYTES.iter().flat_map(|key| key.find_iter(bytes));
    keys.map(|found| found.range()).collect()
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "a list of the one place that was found")]
mod tests {
    use super::*;

    #[test]
    fn all_patterns_compile() {
        assert!(KEY.is_some() && KEY_BYTES.is_some());
        assert_eq!(PLACE.len(), PLACES.len());
    }

    // Put together here, so that this file does not look as if it held keys.
    #[test]
    fn secrets_are_found() {
        let long = "Ab0".repeat(16);
        for (text, secret) in [
            (
                format!("key AK{}", "IAIOSFODNN7EXAMPLE"),
                "AKIAIOSFODNN7EXAMPLE".to_string(),
            ),
            (format!("gh{}", format_args!("p_{long}")), format!("ghp_{long}")),
            (
                format!("x sk{}", format_args!("_live_{long} y")),
                format!("sk_live_{long}"),
            ),
            (
                format!("xo{}", "xb-123456789012-abc"),
                "xoxb-123456789012-abc".to_string(),
            ),
            (
                format!("eyJhbGciOiJIUzI1.{}", "eyJzdWIiOiIx.c2ln"),
                "eyJhbGciOiJIUzI1.eyJzdWIiOiIx.c2ln".to_string(),
            ),
            ("postgres://user:hunter2@host/db".to_string(), "hunter2".to_string()),
            ("user=bob&password=hunter2&x=1".to_string(), "hunter2".to_string()),
            ("GET /?access_token=hunter2 HTTP/1.1".to_string(), "hunter2".to_string()),
            (
                r#"{"user": "bob", "apiKey": "hunter2"}"#.to_string(),
                "hunter2".to_string(),
            ),
            (r"{'db_password': b'hunter2'}".to_string(), "hunter2".to_string()),
            (
                "GET / HTTP/1.1\r\nAuthorization: Basic aHVudGVyMg==\r\n".to_string(),
                "Basic aHVudGVyMg==".to_string(),
            ),
            (format!("Bearer {long}=="), format!("Bearer {long}==")),
        ] {
            let found: Vec<&str> = find(&text).into_iter().map(|range| &text[range]).collect();
            let wanted: Vec<&str> = Some(secret.as_str()).into_iter().filter(|s| !s.is_empty()).collect();
            assert_eq!(found, wanted, "{text}");
        }
        let pem = format!(
            "-----BEGIN {} KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQ==\n-----END",
            "PRIVATE"
        );
        assert_eq!(find(&pem), [0..pem.len()]);
        assert_eq!(find_bytes(pem.as_bytes()), [0..pem.len()]);
    }

    #[test]
    fn messages_are_none() {
        for text in [
            "invalid token: unexpected end of file",
            "password required",
            "http://host:8080/path@x",
            "the cookie is missing: log in",
            "Bearer authentication",
            "secret=",
        ] {
            assert!(find(text).is_empty(), "{text}");
        }
    }
}
