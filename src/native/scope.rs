//! The functions at an address, and the variables that are visible there (DWARF 5, sections 3.3 to 3.5).

use super::info::Info;
use crate::addr::Svma;
use crate::image::{Die, Entry};

/// How deep blocks and inlined calls nest; compilers stay below 100.
const MAX_DEPTH: usize = 200;

/// A function at an address: one that has code of its own, or one inlined there.
pub(super) struct Level<'a> {
    pub variables: Vec<Variable<'a>>,
}

/// A parameter or local variable.
pub(super) struct Variable<'a> {
    pub name: String,
    pub is_argument: bool,
    pub die: Die<'a>,
}

/// The functions at an address, the one with code of its own first.
pub(super) fn levels<'a>(info: &Info<'a>, address: Svma) -> Option<Vec<Level<'a>>> {
    let function = function_at(info, address)?;
    let mut levels = vec![Level { variables: Vec::new() }];
    descend(info, &function, address, &mut levels, 0);
    Some(levels)
}

/// The function whose own code holds an address.
pub(super) fn function_at<'a>(info: &Info<'a>, address: Svma) -> Option<Die<'a>> {
    let mut open = vec![(info.root(), 0)];
    while let Some((die, depth)) = open.pop() {
        for (child, entry) in die.children() {
            match entry.tag() {
                gimli::DW_TAG_subprogram if info.covers(&child, &entry, address) => return Some(child),
                gimli::DW_TAG_namespace | gimli::DW_TAG_structure_type | gimli::DW_TAG_class_type
                    if depth < MAX_DEPTH && entry.has_children() =>
                {
                    open.push((child, depth + 1));
                }
                _ => {}
            }
        }
    }
    None
}

/// Collects the variables below `die`, and the levels of what is inlined there.
fn descend<'a>(info: &Info<'a>, die: &Die<'a>, address: Svma, levels: &mut Vec<Level<'a>>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    let mut inner: Vec<(Die<'a>, bool)> = Vec::new();
    for (child, entry) in die.children() {
        match entry.tag() {
            gimli::DW_TAG_formal_parameter => add(info, levels, child, true),
            gimli::DW_TAG_variable if is_here(&entry) => add(info, levels, child, false),
            gimli::DW_TAG_lexical_block if info.covers(&child, &entry, address) => inner.push((child, false)),
            gimli::DW_TAG_inlined_subroutine if info.covers(&child, &entry, address) => inner.push((child, true)),
            _ => {}
        }
    }
    for (child, is_call) in inner {
        if is_call {
            levels.push(Level { variables: Vec::new() });
        }
        descend(info, &child, address, levels, depth + 1);
    }
}

/// Not one of another scope that is only declared here, and none that the compiler made (`__PRETTY_FUNCTION__`).
fn is_here(entry: &Entry<'_>) -> bool {
    let not_here = [gimli::DW_AT_declaration, gimli::DW_AT_external, gimli::DW_AT_artificial];
    !not_here.iter().any(|attribute| entry.has_attr(*attribute))
}

fn add<'a>(info: &Info<'a>, levels: &mut [Level<'a>], die: Die<'a>, is_argument: bool) {
    let (Some(level), Some(name)) = (levels.last_mut(), info.name(&die)) else {
        return;
    };
    let variable = Variable { name, is_argument, die };
    // One of an inner block hides one of an outer block.
    match level.variables.iter_mut().find(|known| known.name == variable.name) {
        Some(known) => *known = variable,
        None => level.variables.push(variable),
    }
}
