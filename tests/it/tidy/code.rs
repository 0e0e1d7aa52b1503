//! Telling code from comments and strings, as far as the rules need it.

/// The text with comments and the contents of string and character literals replaced by spaces.
pub fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match (chars[at], chars.get(at + 1)) {
            ('/', Some('/')) => line_end(&chars, at),
            ('/', Some('*')) => block_end(&chars, at),
            ('"', _) => string_end(&chars, at),
            ('\'', _) => char_end(&chars, at),
            ('r', Some('"' | '#')) if !is_word(at.checked_sub(1).and_then(|i| chars.get(i))) => raw_end(&chars, at),
            _ => at,
        };
        if end == at {
            code.push(chars[at]);
            at += 1;
        } else {
            code.extend(chars[at..end].iter().map(|&c| if c == '\n' { c } else { ' ' }));
            at = end;
        }
    }
    code
}

fn line_end(chars: &[char], at: usize) -> usize {
    chars[at..]
        .iter()
        .position(|&c| c == '\n')
        .map_or(chars.len(), |length| at + length)
}

/// Block comments nest in Rust.
fn block_end(chars: &[char], at: usize) -> usize {
    let mut depth = 0;
    let mut i = at;
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                i += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                i += 2;
                if depth == 0 {
                    return i;
                }
            }
            _ => i += 1,
        }
    }
    chars.len()
}

fn string_end(chars: &[char], at: usize) -> usize {
    let mut i = at + 1;
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

/// The end of `r"…"` or `r#"…"#`; `at` itself for a raw identifier.
fn raw_end(chars: &[char], at: usize) -> usize {
    let hashes = chars[at + 1..].iter().take_while(|&&c| c == '#').count();
    let open = at + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return at;
    }
    let mut i = open + 1;
    while i < chars.len() {
        if chars[i] == '"' && chars[i + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes {
            return i + 1 + hashes;
        }
        i += 1;
    }
    chars.len()
}

/// The end of a character literal; `at` itself for a lifetime.
fn char_end(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => {
            let rest = chars.get(at + 3..).unwrap_or_default();
            let close = rest.iter().take(12).position(|&c| c == '\'');
            close.map_or(at, |length| at + 4 + length)
        }
        (Some(_), Some('\'')) => at + 3,
        _ => at,
    }
}

fn is_word(c: Option<&char>) -> bool {
    c.is_some_and(|c| c.is_alphanumeric() || *c == '_')
}

/// The identifiers of a line of code and where each begins.
pub fn words(line: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut start = None;
    for (index, c) in line.char_indices().chain([(line.len(), ' ')]) {
        match (c.is_alphanumeric() || c == '_', start) {
            (true, None) => start = Some(index),
            (false, Some(from)) => {
                words.push((from, &line[from..index]));
                start = None;
            }
            _ => {}
        }
    }
    words
}

#[test]
fn comments_and_strings_are_blanked() {
    let text = "let a = \"unsafe \\\" b\"; // unsafe\n/* unsafe /* x */ unsafe */ let c = 'u'; let d: &'a str = r#\"unsafe \"x\" \"#;";
    let code = code_of(text);
    assert!(!code.contains("unsafe"), "{code}");
    assert_eq!(code.lines().count(), 2);
    for kept in ["let a =", "let c =", "let d: &'a str ="] {
        assert!(code.contains(kept), "{kept}: {code}");
    }
    assert_eq!(code_of("'\\'' '\\u{1b}' '\"' x"), "                  x");
    assert_eq!(code_of("r#type + for"), "r#type + for");
    for unfinished in ["\"abc", "/* abc", "'", "r#\"abc", "'\\", "\"\\"] {
        code_of(unfinished);
    }
}
