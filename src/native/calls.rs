//! What a caller passed: call sites and their parameters (DWARF 5, section 3.4).
//!
//! A function that has overwritten its argument refers to the value it began with (`DW_OP_entry_value`). Its caller's
//! debug information may tell how that was computed, from what is still there.

use gimli::{AttributeValue, Expression, Operation, Value};

use super::info::Info;
use super::place::Places;
use super::scope;
use crate::addr::Addr;
use crate::image::{Die, Entry, Slice};
use crate::source::streams::Trust;

/// How deep blocks nest.
const MAX_DEPTH: u32 = 200;

/// The value that `expression`, a register, had when the function of `frame` began.
pub(super) fn entry_value<'a>(
    places: &Places<'_, 'a>,
    frame: usize,
    die: &Die<'a>,
    expression: Expression<Slice<'a>>,
    depth: u32,
) -> Option<Value> {
    let wanted = single_register(expression, die)?;
    let caller = places.frames.get(frame + 1)?;
    // Only a frame that called this one knows; a guess, or what a signal interrupted, does not.
    if caller.frame.step.trust != Trust::Cfi || caller.frame.step.is_exact {
        return None;
    }
    let info = places.info(frame + 1)?;
    let function = scope::function_at(info, caller.svma(caller.frame.step.lookup()))?;
    let return_address = caller.svma(caller.frame.step.pc);
    let (site, entry) = site_at(&function, return_address.0, 0)?;
    if !calls_function_of(places, frame, &site, &entry, depth) {
        return None;
    }
    for (parameter, entry) in site.children() {
        let is_parameter = matches!(
            entry.tag(),
            gimli::DW_TAG_call_site_parameter | gimli::DW_TAG_GNU_call_site_parameter
        );
        let location = match entry.attr_value(gimli::DW_AT_location) {
            Some(AttributeValue::Exprloc(location)) if is_parameter => location,
            _ => continue,
        };
        if single_register(location, &parameter) == Some(wanted) {
            let value = either(&entry, gimli::DW_AT_call_value, gimli::DW_AT_GNU_call_site_value)?;
            return places.value(frame + 1, &parameter, value, depth);
        }
    }
    None
}

/// A tail call leaves a return address behind a call of another function, whose arguments say nothing of this one's.
fn calls_function_of<'a>(places: &Places<'_, 'a>, frame: usize, site: &Die<'a>, entry: &Entry<'a>, depth: u32) -> bool {
    let check = || {
        let (caller, callee) = (places.info(frame + 1)?, places.info(frame)?);
        let placed = places.frames.get(frame)?;
        let function = scope::function_at(callee, placed.svma(placed.frame.step.lookup()))?;
        let origin = caller
            .target(site, entry, gimli::DW_AT_call_origin)
            .or_else(|| caller.target(site, entry, gimli::DW_AT_abstract_origin));
        if let Some(origin) = origin {
            return Some(linkage_name(caller, &origin)? == linkage_name(callee, &function)?);
        }
        let target = either(entry, gimli::DW_AT_call_target, gimli::DW_AT_GNU_call_site_target)?;
        let target = places.number(frame + 1, site, target, depth)?;
        let start = function.entry()?.attr_value(gimli::DW_AT_low_pc)?;
        let start = callee
            .entries
            .file(&function)
            .attr_address(&function.unit, start)
            .ok()??;
        Some(placed.svma(Addr(target)).0 == start)
    };
    check().unwrap_or(false)
}

fn linkage_name<'a>(info: &Info<'a>, die: &Die<'a>) -> Option<String> {
    let linkage = info.inherited(die, |die, entry| {
        let name = entry.attr_value(gimli::DW_AT_linkage_name)?;
        let name = info.entries.file(die).attr_string(&die.unit, name).ok()?;
        Some(name.to_string_lossy().into_owned())
    });
    linkage.or_else(|| info.name(die))
}

/// The call that returns to an address, anywhere below `die`.
fn site_at<'a>(die: &Die<'a>, return_address: u64, depth: u32) -> Option<(Die<'a>, Entry<'a>)> {
    if depth > MAX_DEPTH {
        return None;
    }
    for (child, entry) in die.children() {
        let returns_to = match entry.tag() {
            gimli::DW_TAG_call_site => entry.attr_value(gimli::DW_AT_call_return_pc),
            gimli::DW_TAG_GNU_call_site => entry.attr_value(gimli::DW_AT_low_pc),
            gimli::DW_TAG_lexical_block | gimli::DW_TAG_inlined_subroutine => {
                match site_at(&child, return_address, depth + 1) {
                    Some(found) => return Some(found),
                    None => continue,
                }
            }
            _ => continue,
        };
        if matches!(returns_to, Some(AttributeValue::Addr(address)) if address == return_address) {
            return Some((child, entry));
        }
    }
    None
}

fn either<'a>(entry: &Entry<'a>, standard: gimli::DwAt, gnu: gimli::DwAt) -> Option<Expression<Slice<'a>>> {
    match entry.attr_value(standard).or_else(|| entry.attr_value(gnu))? {
        AttributeValue::Exprloc(expression) => Some(expression),
        _ => None,
    }
}

/// The register that an expression is, if it is nothing else.
fn single_register(expression: Expression<Slice<'_>>, die: &Die<'_>) -> Option<gimli::Register> {
    let mut operations = expression.operations(die.unit.encoding());
    match (operations.next().ok()??, operations.next().ok()?) {
        (
            Operation::Register { register }
            | Operation::RegisterOffset {
                register, offset: 0, ..
            },
            None,
        ) => Some(register),
        _ => None,
    }
}
