//! The layout's tables as Python.

use crate::layout::{
    BuiltinRow, Offsets, VERSIONS, debug_offsets_names, debug_offsets_words, format_table, opcode_rows,
};

/// The part `tables` that the others import from.
pub(super) fn python(rows: &[BuiltinRow], is_walked: &dyn Fn(&str) -> bool) -> String {
    let mut text = String::from("# Tables of src/layout.\n");
    text.push_str("\n# Offsets and sizes in bytes, by build.\nOFFSETS = \"\"\"\n");
    for line in format_table(rows).lines().filter(|line| !line.starts_with('#')) {
        // The first line has the names of the builds.
        if line.starts_with("field\t") || is_walked(line) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.push_str("\"\"\"\n\n# What debug information is asked for: slot, structures, members.\nSCHEMA = \"\"\"\n");
    Offsets::default().for_each(&mut |slot| {
        if !is_walked(slot.name) {
            return;
        }
        let members = if slot.members.is_empty() {
            "-".to_string()
        } else {
            slot.members.join("|")
        };
        text.push_str(&format!("{}\t{}\t{members}\n", slot.name, slot.structures.join("|")));
    });
    text.push_str("\"\"\"\n\n# How each version behaves.\nBEHAVIOUR = {\n");
    for row in VERSIONS {
        let flavours = [("", Some(row.behaviour)), ("t", row.free_threaded)];
        for (suffix, behaviour) in flavours {
            let Some(behaviour) = behaviour else { continue };
            text.push_str(&format!("    \"3.{}{suffix}\": {{\n", row.minor));
            for (aspect, variant) in behaviour.aspects() {
                text.push_str(&format!("        \"{aspect}\": \"{variant}\",\n"));
            }
            text.push_str("    },\n");
        }
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
    text.push_str(
        "}\n\n# Opcodes by minor version: number, name, inline caches behind it, argument.\nOPCODES = \"\"\"\n",
    );
    for line in opcode_rows(rows.iter().map(|row| row.version)) {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str("\"\"\"\n");
    text
}
