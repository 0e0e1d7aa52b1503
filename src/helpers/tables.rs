//! The layout's tables as Python.

use crate::layout::{BuiltinRow, Offsets, VERSIONS, debug_offsets_names, debug_offsets_words, format_table};

/// The part `tables` that the others import from.
pub(super) fn python(rows: &[BuiltinRow]) -> String {
    let mut text = String::from("# Tables of src/layout.\n");
    text.push_str("\n# Offsets and sizes in bytes, by build.\nOFFSETS = \"\"\"\n");
    for line in format_table(rows).lines().filter(|line| !line.starts_with('#')) {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str("\"\"\"\n\n# What debug information is asked for: slot, structures, members.\nSCHEMA = \"\"\"\n");
    Offsets::default().for_each(&mut |slot| {
        let members = if slot.members.is_empty() {
            "-".to_string()
        } else {
            slot.members.join("|")
        };
        text.push_str(&format!("{}\t{}\t{members}\n", slot.name, slot.structures.join("|")));
    });
    text.push_str("\"\"\"\n\n# How each version behaves.\nBEHAVIOUR = {\n");
    for row in VERSIONS {
        text.push_str(&format!("    \"3.{}\": {{\n", row.minor));
        for (field, variant) in fields(&format!("{:?}", row.behaviour)) {
            text.push_str(&format!("        \"{field}\": \"{variant}\",\n"));
        }
        text.push_str("    },\n");
    }
    text.push_str("}\n\n# The words of _Py_DebugOffsets behind its first three, by version.\nDEBUG_OFFSETS = {\n");
    for (minor, words) in debug_offsets_words() {
        text.push_str(&format!("    \"3.{minor}\": \"\"\"\n"));
        for line in words.chunks(4) {
            text.push_str(&format!("        {}\n", line.join(" ")));
        }
        text.push_str("    \"\"\",\n");
    }
    text.push_str("}\n\n# Which of them is which slot.\nDEBUG_OFFSETS_NAMES = {\n");
    for (word, slot) in debug_offsets_names() {
        text.push_str(&format!("    \"{word}\": \"{slot}\",\n"));
    }
    text.push_str("}\n");
    text
}

/// Names and values of a struct without nested ones, from what `derive(Debug)` prints.
fn fields(debug: &str) -> Vec<(&str, &str)> {
    let inside = debug.split_once('{').map_or("", |(_, rest)| rest).trim_end_matches('}');
    let fields = inside.split(", ").filter_map(|field| field.trim().split_once(": "));
    fields.collect()
}

#[cfg(test)]
mod tests {
    use super::fields;

    #[test]
    fn fields_of_a_printed_struct() {
        let printed = "Behaviour { root: CFrame, start: ShimOwner(3) }";
        assert_eq!(fields(printed), [("root", "CFrame"), ("start", "ShimOwner(3)")]);
    }
}
