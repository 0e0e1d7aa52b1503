//! The patterns of sample headers: `*`, `?` and `[…]`, matched case-sensitively.

/// Whether the whole text matches.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last star stood, and how much of the text it has taken.
    let mut star = None;
    loop {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
        } else if t == text.len() {
            return p == pattern.len();
        } else if let Some(length) = one(&pattern[p..], text[t]) {
            p += length;
            t += 1;
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (p, t) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
}

/// The length of what matches one character at the beginning of the pattern.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => match pattern.iter().skip(2).position(|&c| c == ']') {
            Some(end) => pattern[1..end + 2].contains(&c).then_some(end + 3),
            None => (c == '[').then_some(1),
        },
        &literal => (literal == c).then_some(1),
    }
}

#[test]
fn patterns() {
    for (pattern, text) in [
        ("*", ""),
        ("a*c", "abbc"),
        ("[31]", "3"),
        (
            "<*CFunctionType object at 0x*>",
            "<ctypes._CFunctionType object at 0x12>",
        ),
        ("*abort", "__GI_abort"),
        ("f?", "fo"),
        ("[", "["),
    ] {
        assert!(matches(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in [("a*c", "abb"), ("[31]", "2"), ("", "a"), ("?", "")] {
        assert!(!matches(pattern, text), "{pattern} {text}");
    }
}
