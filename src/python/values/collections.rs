//! The containers of the module `collections`.

use std::collections::{HashMap, HashSet};

use super::containers;
use super::find::Found;
use super::printer::{Printer, Subject};
use crate::addr::Addr;
use crate::layout::OrderedDictRepr;
use crate::source::MemoryExt;

/// Items in one block of a deque (BLOCKLEN, Modules/_collectionsmodule.c).
const BLOCK_ITEMS: u64 = 64;
/// The largest Counter that is sorted by its counts, as its `repr` does; it has to be read whole for that.
const MAX_SORTED: u64 = 1_000;

/// `deque([1, 2], maxlen=5)` (Modules/_collectionsmodule.c, `deque_repr`).
pub fn deque(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let (memory, offsets) = (python.memory, &python.layout.offsets);
    let length = python.size_of(subject.at)?;
    let maxlen = memory.read_i64(offsets.deque.maxlen.of(subject.at)).ok()?;
    let name = &subject.info.name;
    printer.once(subject.at, "[...]", &format!("{name}([…])"), |printer| {
        let mut block = memory.read_addr(offsets.deque.leftblock.of(subject.at)).ok()?;
        let mut index = memory.read_u64(offsets.deque.leftindex.of(subject.at)).ok()?;
        let mut items: Vec<Addr> = Vec::new();
        let wanted = length.min(printer.limits.items);
        while (items.len() as u64) < wanted && index < BLOCK_ITEMS {
            let count = (BLOCK_ITEMS - index).min(wanted - items.len() as u64);
            items.extend(python.pointers(offsets.deque_block.data.of(block).add(index * 8), count)?);
            block = memory.read_addr(offsets.deque_block.rightlink.of(block)).ok()?;
            index = 0;
        }
        let items = printer.items(&items, length);
        Some(match u64::try_from(maxlen) {
            Ok(maxlen) => format!("{name}([{items}], maxlen={maxlen})"),
            Err(_) => format!("{name}([{items}])"),
        })
    })
}

/// `defaultdict(<class 'list'>, {})` (Modules/_collectionsmodule.c, `defdict_repr`).
pub fn defaultdict(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let factory = printer.python.layout.offsets.defaultdict.factory.of(subject.at);
    let factory = printer.python.memory.read_addr(factory).ok()?;
    let dict = containers::dict_at(printer, subject.at)?;
    let factory = match factory.is_null() {
        true => "None".to_string(),
        // A factory that leads back to its dict.
        false => printer.once(factory, "...", "…", |printer| Some(printer.repr(factory)))?,
    };
    Some(format!("{}({factory}, {dict})", subject.info.name))
}

/// `OrderedDict([('a', 1)])`, since 3.12 `OrderedDict({'a': 1})` (Objects/odictobject.c, `odict_repr`).
pub fn ordered_dict(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let length = printer.python.dict_len(subject.at)?;
    let name = &subject.info.name;
    if length == 0 {
        return Some(format!("{name}()"));
    }
    printer.once(subject.at, "...", &format!("{name}(…)"), |printer| {
        let items = mapping_items(printer, subject.at)?;
        Some(match printer.python.layout.behaviour.ordered_dict {
            OrderedDictRepr::Pairs => {
                let items = printer.join(&items, length, |printer, &(key, value)| {
                    let (key, value) = printer.pair(key, value);
                    format!("({key}, {value})")
                });
                format!("{name}([{items}])")
            }
            OrderedDictRepr::Dict => format!("{name}({{{}}})", printer.pairs(&items, length)),
        })
    })
}

/// The first items of a dict in the order of its iteration: an OrderedDict keeps one of its own.
pub fn mapping_items(printer: &Printer<'_, '_>, dict: Addr) -> Option<Vec<(Addr, Addr)>> {
    let python = printer.python;
    let max = printer.limits.items;
    let info = python.type_of(dict)?;
    let is_ordered = match &*python.find_repr(&info) {
        Found::Row(row, _) => row.name == "collections.OrderedDict",
        _ => false,
    };
    if !is_ordered {
        return python.dict_items(dict, max);
    }
    let offsets = &python.layout.offsets;
    let length = python.dict_len(dict)?;
    // Nodes name keys alone.
    let values: HashMap<Addr, Addr> = python.dict_items(dict, length.min(MAX_SORTED))?.into_iter().collect();
    let mut items = Vec::new();
    let mut seen = HashSet::new();
    let mut node = python.read_or_null(offsets.ordered_dict.first.of(dict));
    while !node.is_null() && (items.len() as u64) < max && seen.insert(node) {
        let key = python.memory.read_addr(offsets.ordered_dict_node.key.of(node)).ok()?;
        let Some(&value) = values.get(&key) else { break };
        items.push((key, value));
        node = python.read_or_null(offsets.ordered_dict_node.next.of(node));
    }
    Some(items)
}

/// `Counter({'a': 2, 'b': 1})` (Lib/collections/__init__.py): most common first. One too large to be read whole is
/// shown in the order of its dict.
pub fn counter(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let name = &subject.info.name;
    let length = python.dict_len(subject.at)?;
    if length == 0 {
        return Some(format!("{name}()"));
    }
    let mut items = python.dict_items(subject.at, length.min(MAX_SORTED))?;
    if length <= MAX_SORTED {
        let counts: Option<Vec<i128>> = items
            .iter()
            .map(|&(_, count)| {
                let info = python.type_of(count)?;
                let is_int = info.is_builtin("int") || info.is_builtin("bool");
                is_int.then(|| python.int_repr(count)?.parse().ok())?
            })
            .collect();
        // Counts of other types compare by their own code.
        let counts = counts?;
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(counts[index]));
        items = order.into_iter().map(|index| items[index]).collect();
    }
    items.truncate(printer.limits.items as usize);
    printer.within(&format!("{name}(…)"), |printer| {
        Some(format!("{name}({{{}}})", printer.pairs(&items, length)))
    })
}

/// `ChainMap({…}, {…})` (Lib/collections/__init__.py).
pub fn chain_map(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let name = &subject.info.name;
    let maps = python.attribute(subject.at, subject.info, "maps")?;
    if !python.type_of(maps)?.is_builtin("list") {
        return None;
    }
    let length = python.size_of(maps)?;
    let items = python.read_or_null(python.layout.offsets.list.items.of(maps));
    let items = python.pointers(items, length.min(printer.limits.items))?;
    printer.once(subject.at, "...", &format!("{name}(…)"), |printer| {
        Some(format!("{name}({})", printer.items(&items, length)))
    })
}

/// `UserDict`, `UserList` and `UserString` print what they wrap (Lib/collections/__init__.py).
pub fn user(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    printer.within("…", |printer| printer.attribute_repr(&subject, "data"))
}
