//! The text of a value against CPython's own `repr`.

use coldframe::redact::REDACTED;
use coldframe::report::model::Variable;

use super::check::Problems;

/// Our text marks what it leaves out with `…`: `'abc'… 7 more`, `[1, 2, … 98 more]`, `[…]`. The rest is as `repr` has it.
/// `may_be_plain` is where the class of an object may have a `__repr__` of its own, which nothing but Python can run.
pub fn compare(what: &str, repr: &str, found: &Variable, may_be_plain: bool, problems: &mut Problems) {
    let text = found.value.as_deref().unwrap_or_default();
    let is_right = text == repr
        || fits(text, repr)
        || may_be_plain && (is_plain(found) || with_plain_objects(text, repr).is_some_and(|repr| text == repr));
    if !is_right {
        problems.push(format!("{what}: expected {repr}, found {text}"));
    }
}

/// Whether it is shown by type and address, as `object` does.
fn is_plain(found: &Variable) -> bool {
    match (&found.type_name, found.address, &found.value) {
        (Some(name), Some(address), Some(value)) => *value == format!("<{name} object at {address}>"),
        _ => false,
    }
}

/// `repr` with what stands in angle brackets put as `object` does where `text` does: such objects inside of containers.
fn with_plain_objects(text: &str, repr: &str) -> Option<String> {
    let (mut plain, mut rest_of_text, mut rest_of_repr) = (String::new(), text, repr);
    while let Some((before, object)) = rest_of_text.split_once('<') {
        let same = rest_of_repr.strip_prefix(before)?.strip_prefix('<')?;
        plain.push_str(before);
        plain.push('<');
        let (inside, after) = object.split_once('>')?;
        let is_plain = inside
            .split_once(" object at 0x")
            .is_some_and(|(name, address)| !name.contains(' ') && address.chars().all(|c| c.is_ascii_hexdigit()));
        (rest_of_text, rest_of_repr) = if is_plain {
            plain.push_str(inside);
            plain.push('>');
            (after, after_bracket(same)?)
        } else {
            (object, same)
        };
    }
    plain.push_str(rest_of_repr);
    Some(plain)
}

/// What follows the bracket that closes the one before the text.
fn after_bracket(text: &str) -> Option<&str> {
    let mut depth = 1;
    for (index, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&text[index + 1..]);
        }
    }
    None
}

#[test]
fn objects_in_containers_may_be_plain() {
    let repr = "partial(<m of <C object at 0x1>>, a=<T x=<c> y>, b=1)";
    let plain = |text: &str| with_plain_objects(text, repr).is_some_and(|repr| repr == text);
    assert!(plain("partial(<m of <C object at 0x1>>, a=<d.T object at 0x2>, b=1)"));
    assert!(plain(repr));
    assert!(!plain("partial(<m of <C object at 0x1>>, a=<d.T object at 0x2>, b=2)"));
    assert!(!plain("partial(<n of <C object at 0x1>>, a=<d.T object at 0x2>, b=1)"));
}

/// Whether `text` is `repr` with stretches left out, secrets among them.
pub fn fits(text: &str, repr: &str) -> bool {
    let text = text.replace(REDACTED, "…");
    let mut pieces = Vec::new();
    for (index, piece) in text.split('…').enumerate() {
        // What follows the mark tells how much is left out.
        let piece = if index == 0 { piece } else { without_count(piece) };
        pieces.push(piece.to_string());
    }
    if pieces.len() == 1 {
        return false;
    }
    // The quote that closes a shortened string stands before the mark.
    let mut quoted = pieces.clone();
    for index in 0..quoted.len() - 1 {
        if let Some(quote) = quoted[index].chars().next_back().filter(|c| "'\"".contains(*c)) {
            quoted[index].pop();
            quoted[index + 1].insert(0, quote);
        }
    }
    are_in_order(&pieces, repr) || are_in_order(&quoted, repr)
}

/// Whether the text begins with the first piece, ends with the last one, and has the others between them.
fn are_in_order(pieces: &[String], text: &str) -> bool {
    let mut rest = text;
    for (index, piece) in pieces.iter().enumerate() {
        let at = match index {
            0 => rest.starts_with(piece.as_str()).then_some(0),
            _ if index == pieces.len() - 1 => rest.ends_with(piece.as_str()).then(|| rest.len() - piece.len()),
            _ => rest.find(piece.as_str()),
        };
        let Some(at) = at else { return false };
        rest = &rest[at + piece.len()..];
    }
    true
}

fn without_count(piece: &str) -> &str {
    let is_number = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
    match piece.trim_start().split_once(" more") {
        Some((count, rest)) if is_number(count) => rest,
        _ => piece,
    }
}

#[test]
fn what_is_left_out_fits() {
    for (text, repr) in [
        ("[1, 2, … 2 more]", "[1, 2, 3, 4]"),
        ("'ab'… 2 more", "'abcd'"),
        ("b'ab'… 2 more", "b'abcd'"),
        ("[1, […]]", "[1, [2]]"),
        ("{'a': 'b'… 1 more, 'c': …}", "{'a': 'bb', 'c': 3}"),
        ("<Task … name='a'…>", "<Task pending name='a' cb=[]>"),
    ] {
        assert!(fits(text, repr), "{text} {repr}");
    }
    for (text, repr) in [
        ("[1, 2]", "[1, 3]"),
        ("[1, … 1 more]", "[2, 3]"),
        ("'ab'… 2 more", "'acde'"),
        ("[1, […]]", "[1, (2,)]"),
    ] {
        assert!(!fits(text, repr), "{text} {repr}");
    }
}
