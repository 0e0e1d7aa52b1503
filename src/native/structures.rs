//! The structures that Python types written in C give their instances.

use gimli::DwTag;

use super::info::Info;
use super::{scope, types};
use crate::addr::Svma;
use crate::image::{Die, Entry, Image};
use crate::source::variables::NativeType;

/// How structures of CPython's own begin: headers bring them into each unit.
const PYTHONS_OWN: [&str; 3] = ["Py", "_Py", "_"];

/// The structure of instances that have `size` bytes, of a type with these functions in `image`: what the functions
/// declare their first argument as, else the only structure beside them that has this size and begins with an object.
pub fn structure(image: &Image, functions: &[Svma], size: u64) -> Option<NativeType> {
    let declared = functions.iter().find_map(|&function| {
        let info = Info::of_unit(image, function)?;
        let function = scope::function_at(&info, function)?;
        let (argument, _) = function
            .children()
            .into_iter()
            .find(|(_, entry)| entry.tag() == gimli::DW_TAG_formal_parameter)?;
        let target = types::pointed_structure(&info, &info.type_of(&argument)?)?;
        described(&info, &target, size)
    });
    declared.or_else(|| {
        let info = Info::of_unit(image, *functions.first()?)?;
        let mut all = named_structures(&info)
            .into_iter()
            .filter_map(|die| described(&info, &die, size));
        let found = all.next()?;
        all.all(|other| other == found).then_some(found)
    })
}

/// Structures of the unit, and those that have a name by a typedef only.
fn named_structures<'a>(info: &Info<'a>) -> Vec<Die<'a>> {
    const WANTED: [DwTag; 3] = [
        gimli::DW_TAG_structure_type,
        gimli::DW_TAG_class_type,
        gimli::DW_TAG_typedef,
    ];
    let all = info.root().children().into_iter();
    let is_foreign = |(die, entry): &(Die<'a>, Entry<'a>)| {
        WANTED.contains(&entry.tag())
            && info
                .name(die)
                .is_some_and(|name| !PYTHONS_OWN.iter().any(|beginning| name.starts_with(beginning)))
    };
    all.filter(is_foreign).map(|(die, _)| die).collect()
}

fn described<'a>(info: &Info<'a>, die: &Die<'a>, size: u64) -> Option<NativeType> {
    if !types::begins_with_object(info, die) {
        return None;
    }
    let found = types::described(info, die);
    (found.size == size).then_some(found)
}
