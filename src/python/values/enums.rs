//! Members of enumerations (Lib/enum.py).

use super::super::object::type_flags;
use super::printer::{Printer, Subject};

/// The most members of a flag that are looked at.
const MAX_MEMBERS: u64 = 256;

/// `<Color.RED: 1>`.
pub fn member(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let value = value(printer, subject)?;
    let name = printer.attribute_str(&subject, "_name_")?;
    Some(format!("<{}.{name}: {value}>", subject.info.name))
}

/// `<Access.READ|WRITE: 3>`, of a combination without a name `<Access: 0>`.
pub fn flag(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let class = &subject.info.name;
    let value = value(printer, subject)?;
    let name = python.attribute(subject.at, subject.info, "_name_")?;
    if let Some(name) = python.name_string(name) {
        return Some(format!("<{class}.{name}: {value}>"));
    }
    // Since 3.11 combinations are named; before, they are taken apart when they are printed.
    if python.inherited_attribute(subject.info, "_flag_mask_").is_some() {
        return Some(format!("<{class}: {value}>"));
    }
    let names = decompose(printer, subject, value.parse().ok()?)?;
    Some(format!("<{class}.{names}: {value}>"))
}

/// The members a value consists of, largest first (`_decompose`, up to 3.10).
fn decompose(printer: &Printer<'_, '_>, subject: Subject<'_>, value: i64) -> Option<String> {
    let python = printer.python;
    let map = python.inherited_attribute(subject.info, "_member_map_")?;
    let mut members: Vec<(i64, String)> = Vec::new();
    let mut rest = value;
    for (name, member) in python.dict_items(map, MAX_MEMBERS)? {
        let info = python.type_of(member)?;
        let bits: i64 = python
            .int_repr(python.attribute(member, &info, "_value_")?)?
            .parse()
            .ok()?;
        let is_alias = members.iter().any(|&(known, _)| known == bits);
        let is_in = bits != 0 && bits & value == bits;
        if is_in {
            rest &= !bits;
        }
        if (is_in || bits == value) && !is_alias {
            members.push((bits, python.name_string(name)?));
        }
    }
    if value > 0 && rest != 0 {
        return None;
    }
    members.sort_by_key(|&(bits, _)| std::cmp::Reverse(bits));
    if members.is_empty() {
        return Some(value.to_string());
    }
    let names: Vec<String> = members.into_iter().map(|(_, name)| name).collect();
    Some(names.join("|"))
}

/// `signal.SIGINT`: a member of an enumeration whose names are those of its module.
pub fn global_member(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let name = printer.attribute_str(&subject, "_name_")?;
    Some(format!("{}.{name}", module(subject)))
}

/// `re.IGNORECASE|re.MULTILINE`, likewise of a flag.
pub fn global_flag(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let name = python.attribute(subject.at, subject.info, "_name_")?;
    let Some(name) = python.name_string(name) else {
        let value = value(printer, subject)?;
        return Some(format!("{}.{}({value})", module(subject), subject.info.name));
    };
    let parts = name
        .split('|')
        .map(|part| match part.starts_with(|c: char| c.is_ascii_digit()) {
            true => part.to_string(),
            false => format!("{}.{part}", module(subject)),
        });
    Some(parts.collect::<Vec<_>>().join("|"))
}

/// The last part of the module's name.
fn module(subject: Subject<'_>) -> &str {
    let module = subject.info.full_name.strip_suffix(&subject.info.qualname);
    let module = module.unwrap_or_default().trim_end_matches('.');
    module.rsplit('.').next().unwrap_or(module)
}

/// `<enum 'Color'>`, `<flag 'Access'>`.
pub fn class(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let class = python.type_info(subject.at)?;
    // Flags are told apart by the metaclass of 3.11 and later.
    let is_new = python.type_of(subject.at)?.name == "EnumType";
    let order = python.resolution_order(&class);
    let is_flag = is_new && order.iter().any(|base| base.full_name == "enum.Flag");
    let kind = if is_flag { "flag" } else { "enum" };
    Some(format!("<{kind} '{}'>", class.name))
}

/// The `repr` of the value, by the data type's own: a Python function there cannot be run.
fn value(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    if let Some(method) = python.inherited_attribute(subject.info, "_value_repr_") {
        let info = python.type_of(method)?;
        if info.is_builtin("function") || info.has(type_flags::HEAP_TYPE) {
            return None;
        }
    }
    printer.within("…", |printer| printer.attribute_repr(&subject, "_value_"))
}
