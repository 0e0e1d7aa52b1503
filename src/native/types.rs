//! Types as debug information describes them (DWARF 5, chapter 5), as far as values are shown.

use gimli::AttributeValue;

use super::info::Info;
use crate::image::{Die, Entry};
use crate::source::variables::{Form, Member, NativeType};

/// How far a chain of typedefs and qualifiers is followed.
const MAX_CHAIN: u32 = 32;
/// How deep structures in structures are described.
const MAX_DEPTH: u32 = 2;
/// The most members, enumerators and items of one type.
const MAX_MEMBERS: usize = 64;
/// Structures of CPython that begin with an object's head, by tag: where only they are declared.
const OBJECTS: [&str; 5] = ["_object", "_typeobject", "_longobject", "_frame", "PyObject"];

/// Structures that hold text, by how their names begin: the members with its address and its length (libstdc++
/// bits/basic_string.h and string_view; what rustc says of its own).
const STRINGS: [(&str, &str, &str); 3] = [
    ("basic_string<char,", "_M_dataplus", "_M_string_length"),
    ("basic_string_view<char,", "_M_str", "_M_len"),
    ("&str", "data_ptr", "length"),
];

/// The type of a variable.
pub(super) fn of<'a>(info: &Info<'a>, variable: &Die<'a>) -> Option<NativeType> {
    let target = info.type_of(variable)?;
    Some(describe(info, &target, 0))
}

/// What a pointer points to, where that is a structure.
pub(super) fn pointed_structure<'a>(info: &Info<'a>, die: &Die<'a>) -> Option<Die<'a>> {
    let (die, entry) = plain(info, die.clone())?;
    let target = info.target(&die, &entry, gimli::DW_AT_type)?;
    (entry.tag() == gimli::DW_TAG_pointer_type).then_some(target)
}

/// Whether a type is a structure that begins with an object's head, and has more than that.
pub(super) fn begins_with_object<'a>(info: &Info<'a>, die: &Die<'a>) -> bool {
    let Some((die, entry)) = plain(info, die.clone()) else {
        return false;
    };
    let is_structure = matches!(entry.tag(), gimli::DW_TAG_structure_type | gimli::DW_TAG_class_type);
    let own = info.name(&die).unwrap_or_default();
    is_structure && !OBJECTS.contains(&own.as_str()) && is_object(info, &die, &entry, 0)
}

/// A type with its members.
pub(super) fn described<'a>(info: &Info<'a>, die: &Die<'a>) -> NativeType {
    describe(info, die, 0)
}

fn describe<'a>(info: &Info<'a>, die: &Die<'a>, depth: u32) -> NativeType {
    let name = declared_name(info, Some(die), 0);
    let mut die = die.clone();
    for _ in 0..MAX_CHAIN {
        let Some(entry) = die.entry() else { break };
        if !is_alias(&entry) {
            return NativeType {
                name,
                ..describe_plain(info, &die, &entry, depth)
            };
        }
        let Some(target) = info.target(&die, &entry, gimli::DW_AT_type) else {
            break;
        };
        die = target;
    }
    NativeType {
        name,
        ..NativeType::default()
    }
}

/// A type that is no typedef, without its name.
fn describe_plain<'a>(info: &Info<'a>, die: &Die<'a>, entry: &Entry<'a>, depth: u32) -> NativeType {
    let size = udata(entry, gimli::DW_AT_byte_size);
    let (size, form) = match entry.tag() {
        gimli::DW_TAG_base_type => {
            let size = size.unwrap_or_default();
            (size, base_form(entry, size))
        }
        gimli::DW_TAG_enumeration_type => (size.unwrap_or(4), Form::Enum(enumerators(info, die))),
        gimli::DW_TAG_pointer_type | gimli::DW_TAG_reference_type | gimli::DW_TAG_rvalue_reference_type => {
            (8, pointer_form(info, die, entry, depth))
        }
        gimli::DW_TAG_structure_type | gimli::DW_TAG_class_type | gimli::DW_TAG_union_type => {
            // Whether a member is secret only its name tells: without names nothing of it is looked at.
            let members = || match depth <= MAX_DEPTH {
                true => members(info, die, depth),
                false => Vec::new(),
            };
            let form = match entry.has_attr(gimli::DW_AT_declaration) {
                true => Form::Other,
                false => string_form(info, die).unwrap_or_else(|| Form::Struct(members())),
            };
            (size.unwrap_or_default(), form)
        }
        gimli::DW_TAG_array_type => array(info, die, entry, depth).unwrap_or_default(),
        _ => (size.unwrap_or_default(), Form::Other),
    };
    NativeType {
        name: String::new(),
        size,
        form,
    }
}

fn is_alias(entry: &Entry<'_>) -> bool {
    matches!(
        entry.tag(),
        gimli::DW_TAG_typedef
            | gimli::DW_TAG_const_type
            | gimli::DW_TAG_volatile_type
            | gimli::DW_TAG_restrict_type
            | gimli::DW_TAG_atomic_type
    )
}

/// Behind typedefs and qualifiers.
fn plain<'a>(info: &Info<'a>, die: Die<'a>) -> Option<(Die<'a>, Entry<'a>)> {
    let mut die = die;
    for _ in 0..MAX_CHAIN {
        let entry = die.entry()?;
        if !is_alias(&entry) {
            return Some((die, entry));
        }
        die = info.target(&die, &entry, gimli::DW_AT_type)?;
    }
    None
}

fn base_form(entry: &Entry<'_>, size: u64) -> Form {
    let encoding = match entry.attr_value(gimli::DW_AT_encoding) {
        Some(AttributeValue::Encoding(encoding)) => encoding,
        _ => return Form::Other,
    };
    match encoding {
        gimli::DW_ATE_boolean => Form::Bool,
        gimli::DW_ATE_signed_char if size == 1 => Form::Char,
        gimli::DW_ATE_signed if size <= 16 => Form::Signed,
        gimli::DW_ATE_unsigned | gimli::DW_ATE_unsigned_char | gimli::DW_ATE_UTF if size <= 16 => Form::Unsigned,
        gimli::DW_ATE_float if size == 4 || size == 8 => Form::Float,
        _ => Form::Other,
    }
}

fn pointer_form<'a>(info: &Info<'a>, die: &Die<'a>, entry: &Entry<'a>, depth: u32) -> Form {
    let target = info.target(die, entry, gimli::DW_AT_type);
    let Some((target, pointed)) = target.and_then(|target| plain(info, target)) else {
        return Form::Pointer(None);
    };
    match pointed.tag() {
        gimli::DW_TAG_subroutine_type => Form::Code,
        gimli::DW_TAG_base_type if base_form(&pointed, 1) == Form::Char => {
            match udata(&pointed, gimli::DW_AT_byte_size) {
                Some(1) => Form::Text,
                _ => Form::Pointer(None),
            }
        }
        gimli::DW_TAG_structure_type | gimli::DW_TAG_class_type if is_object(info, &target, &pointed, 0) => {
            Form::Object
        }
        // What a variable itself points to is shown, what its members point to is not.
        _ if depth == 0 => Form::Pointer(Some(Box::new(describe(info, &target, MAX_DEPTH - 1)))),
        _ => Form::Pointer(None),
    }
}

/// Whether a structure is `PyObject` (Include/object.h), or begins with one, as `PyListObject` does.
fn is_object<'a>(info: &Info<'a>, die: &Die<'a>, entry: &Entry<'a>, depth: u32) -> bool {
    if info.name(die).is_some_and(|name| OBJECTS.contains(&name.as_str())) {
        return true;
    }
    if depth > 3 || entry.has_attr(gimli::DW_AT_declaration) {
        return false;
    }
    let children = die.children();
    let first = children
        .into_iter()
        .find(|(_, child)| child.tag() == gimli::DW_TAG_member);
    let Some((member, _)) = first else { return false };
    let head = info.type_of(&member).and_then(|head| plain(info, head));
    head.is_some_and(|(head, entry)| {
        entry.tag() == gimli::DW_TAG_structure_type && is_object(info, &head, &entry, depth + 1)
    })
}

fn string_form<'a>(info: &Info<'a>, die: &Die<'a>) -> Option<Form> {
    let name = info.name(die)?;
    let (_, address, length) = STRINGS.iter().find(|(beginning, ..)| name.starts_with(beginning))?;
    let children = die.children();
    let offset = |wanted: &str| {
        let is_wanted = |(child, entry): &&(Die<'a>, Entry<'a>)| {
            entry.tag() == gimli::DW_TAG_member && info.name(child).as_deref() == Some(wanted)
        };
        let (_, entry) = children.iter().find(is_wanted)?;
        udata(entry, gimli::DW_AT_data_member_location)
    };
    Some(Form::String {
        address: offset(address)?,
        length: offset(length)?,
    })
}

fn enumerators<'a>(info: &Info<'a>, die: &Die<'a>) -> Vec<(i64, String)> {
    let children = die.children();
    let named = children.into_iter().take(MAX_MEMBERS).filter_map(|(child, entry)| {
        let value = entry.attr_value(gimli::DW_AT_const_value)?;
        let value = value
            .sdata_value()
            .or_else(|| value.udata_value().map(u64::cast_signed))?;
        Some((value, info.name(&child)?))
    });
    named.collect()
}

fn members<'a>(info: &Info<'a>, die: &Die<'a>, depth: u32) -> Vec<Member> {
    let children = die.children();
    let fields = children.into_iter().filter(|(_, entry)| {
        matches!(entry.tag(), gimli::DW_TAG_member | gimli::DW_TAG_inheritance)
            && !entry.has_attr(gimli::DW_AT_external)
            && !entry.has_attr(gimli::DW_AT_declaration)
    });
    let member = |(child, entry): (Die<'a>, Entry<'a>)| {
        let target = info.type_of(&child)?;
        let kind = describe(info, &target, depth + 1);
        let bits = udata(&entry, gimli::DW_AT_bit_size);
        // Up to DWARF 4, counted from the highest bit of a unit of storage (DWARF 4, section 5.5.6).
        let from_top = || {
            let unit = udata(&entry, gimli::DW_AT_byte_size)
                .unwrap_or(kind.size)
                .checked_mul(8)?;
            let lowest = unit.checked_sub(udata(&entry, gimli::DW_AT_bit_offset)?.checked_add(bits?)?)?;
            let start = udata(&entry, gimli::DW_AT_data_member_location).unwrap_or_default();
            start.checked_mul(8)?.checked_add(lowest)
        };
        let bit = udata(&entry, gimli::DW_AT_data_bit_offset).or_else(from_top);
        let offset = match bit {
            Some(bit) => bit / 8,
            None => udata(&entry, gimli::DW_AT_data_member_location).unwrap_or_default(),
        };
        Some(Member {
            name: info.name(&child).unwrap_or_default(),
            offset,
            bits: bit.map(|bit| bit % 8).zip(bits),
            kind,
        })
    };
    fields.filter_map(member).take(MAX_MEMBERS).collect()
}

/// The size of an array, and its items.
fn array<'a>(info: &Info<'a>, die: &Die<'a>, entry: &Entry<'a>, depth: u32) -> Option<(u64, Form)> {
    let item = info.target(die, entry, gimli::DW_AT_type)?;
    let mut kind = describe(info, &item, depth.max(1));
    let children = die.children();
    let dimensions = children
        .iter()
        .filter(|(_, child)| child.tag() == gimli::DW_TAG_subrange_type)
        .map(|(_, child)| {
            let bound = udata(child, gimli::DW_AT_upper_bound);
            udata(child, gimli::DW_AT_count)
                .or(bound.map(|bound| bound.wrapping_add(1)))
                .unwrap_or_default()
        });
    let dimensions: Vec<u64> = dimensions.take(8).collect();
    for count in dimensions.into_iter().rev() {
        kind = NativeType {
            name: format!("{}[{count}]", kind.name),
            size: kind.size.checked_mul(count)?,
            form: Form::Array(Box::new(kind), count),
        };
    }
    Some((kind.size, kind.form))
}

/// A type as one would declare it.
fn declared_name<'a>(info: &Info<'a>, die: Option<&Die<'a>>, depth: u32) -> String {
    let Some((die, entry)) = die.and_then(|die| Some((die, die.entry()?))) else {
        return "void".to_string();
    };
    if depth > MAX_CHAIN {
        return "…".to_string();
    }
    let target = || declared_name(info, info.target(die, &entry, gimli::DW_AT_type).as_ref(), depth + 1);
    let named = |prefix: &str| format!("{prefix}{}", info.name(die).unwrap_or_else(|| "{…}".to_string()));
    match entry.tag() {
        gimli::DW_TAG_pointer_type => {
            let target = target();
            let gap = if target.ends_with('*') { "" } else { " " };
            format!("{target}{gap}*")
        }
        gimli::DW_TAG_reference_type => format!("{} &", target()),
        gimli::DW_TAG_rvalue_reference_type => format!("{} &&", target()),
        gimli::DW_TAG_const_type => match target() {
            pointer if pointer.ends_with('*') => format!("{pointer}const"),
            other => format!("const {other}"),
        },
        gimli::DW_TAG_volatile_type => format!("volatile {}", target()),
        gimli::DW_TAG_restrict_type | gimli::DW_TAG_atomic_type => target(),
        gimli::DW_TAG_array_type => {
            let counts = die.children().into_iter().filter_map(|(_, child)| {
                let bound = udata(&child, gimli::DW_AT_upper_bound);
                (child.tag() == gimli::DW_TAG_subrange_type)
                    .then(|| bound.map_or("[]".to_string(), |bound| format!("[{}]", bound.wrapping_add(1))))
            });
            format!("{} {}", target(), counts.take(8).collect::<String>())
        }
        gimli::DW_TAG_subroutine_type => format!("{} ()", target()),
        gimli::DW_TAG_structure_type => named(if is_c(die) { "struct " } else { "" }),
        gimli::DW_TAG_union_type => named(if is_c(die) { "union " } else { "" }),
        gimli::DW_TAG_enumeration_type => named(if is_c(die) { "enum " } else { "" }),
        _ => named(""),
    }
}

fn is_c(die: &Die<'_>) -> bool {
    let root = die.unit.entry(die.unit.header.root_offset()).ok();
    let language = root.and_then(|root| root.attr_value(gimli::DW_AT_language));
    let Some(AttributeValue::Language(language)) = language else {
        return false;
    };
    matches!(
        language,
        gimli::DW_LANG_C | gimli::DW_LANG_C89 | gimli::DW_LANG_C99 | gimli::DW_LANG_C11 | gimli::DW_LANG_C17
    )
}

fn udata(entry: &Entry<'_>, attribute: gimli::DwAt) -> Option<u64> {
    entry.attr_value(attribute)?.udata_value()
}
