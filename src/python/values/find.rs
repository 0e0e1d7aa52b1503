//! Who prints the values of a type: CPython's rule, by slots and the method resolution order.

use std::rc::Rc;

use super::super::Python;
use super::super::object::{TypeInfo, type_flags};
use super::table::{self, PythonRow, Row};
use super::{classes, tuples};
use crate::addr::Addr;

/// The most classes of a method resolution order that are looked at.
const MAX_BASES: u64 = 64;

/// Who prints the values of a type.
#[derive(Clone)]
pub enum Found {
    /// A renderer of a type written in C: that type, from which this one inherits its `tp_repr`.
    Row(&'static Row, Rc<TypeInfo>),
    /// A renderer that does what a `__repr__` of the standard library does.
    Python(&'static PythonRow),
    /// `object.__repr__`.
    Plain,
    /// A `__repr__` of its own, which cannot be run.
    Opaque,
}

impl Python<'_> {
    /// Who prints the values of a type, found once for each.
    pub(in super::super) fn find_repr(&self, info: &TypeInfo) -> Rc<Found> {
        if let Some(known) = self.reprs.borrow().get(&info.address) {
            return known.clone();
        }
        let found = Rc::new(self.search_repr(info));
        self.reprs.borrow_mut().insert(info.address, found.clone());
        found
    }

    fn search_repr(&self, info: &TypeInfo) -> Found {
        let order = self.resolution_order(info);
        let root = order.last().filter(|last| last.is_builtin("object"));
        if root.is_some_and(|root| root.repr == info.repr && !info.repr.is_null()) {
            return Found::Plain;
        }
        if info.repr.is_null() {
            return self.search_by_name(&order);
        }
        // A slot that no base shares was inherited from nobody.
        for base in order.iter().filter(|base| base.repr == info.repr) {
            if self.type_info(base.base).is_some_and(|parent| parent.repr == base.repr) {
                continue;
            }
            let Some(row) = table::row_of(base) else { continue };
            return match (row.size, base.basicsize) {
                // Another layout than the one at hand: never guess.
                (Some(size), basicsize) if size(&self.layout.offsets).bytes() != Some(basicsize) => Found::Opaque,
                _ => Found::Row(row, base.clone()),
            };
        }
        if let Some(row) = tuples::is_structseq(self, info, &order) {
            return Found::Row(row, Rc::new(info.clone()));
        }
        self.search_python_repr(&order).map_or(Found::Opaque, Found::Python)
    }

    /// Where the slots are not known: the first class that either prints itself or has a renderer.
    fn search_by_name(&self, order: &[Rc<TypeInfo>]) -> Found {
        for (index, base) in order.iter().enumerate() {
            if base.has(type_flags::HEAP_TYPE) && self.class_attribute(base, "__repr__").is_some() {
                return self
                    .search_python_repr(&order[index..])
                    .map_or(Found::Opaque, Found::Python);
            }
            if let Some(row) = table::row_of(base).filter(|row| row.size.is_none()) {
                return Found::Row(row, base.clone());
            }
        }
        Found::Plain
    }

    /// The first `__repr__` in the namespaces of these classes, where it is a known one.
    fn search_python_repr(&self, order: &[Rc<TypeInfo>]) -> Option<&'static PythonRow> {
        for class in order.iter().filter(|class| class.has(type_flags::HEAP_TYPE)) {
            let Some(method) = self.class_attribute(class, "__repr__") else {
                continue;
            };
            if !self.type_of(method)?.is_builtin("function") {
                return None;
            }
            let offsets = &self.layout.offsets.function;
            let module = self.name_string(self.read_or_null(offsets.module.of(method)));
            let qualname = self.function_name(method)?;
            let known = module.and_then(|module| table::python_row(&module, &qualname));
            return known.or_else(|| classes::generated(self, class, method));
        }
        None
    }

    /// The method resolution order of a type, itself first. Where it cannot be read, the chain of bases.
    pub(in super::super) fn resolution_order(&self, info: &TypeInfo) -> Vec<Rc<TypeInfo>> {
        let order = self.read_or_null(self.layout.offsets.type_object.mro.of(info.address));
        let classes = self.tuple_items(order, MAX_BASES).unwrap_or_default();
        let mut found: Vec<Rc<TypeInfo>> = Vec::new();
        for class in classes {
            if let Some(class) = self.type_info(class) {
                found.push(class);
            }
        }
        if found.first().is_some_and(|first| first.address == info.address) {
            return found;
        }
        let mut chain = vec![Rc::new(info.clone())];
        while let Some(base) = chain.last().and_then(|last| self.type_info(last.base)) {
            if chain.len() as u64 >= MAX_BASES {
                break;
            }
            chain.push(base);
        }
        chain
    }

    /// What the namespace of a class itself has under a name. Types that are not on the heap keep theirs elsewhere.
    pub(super) fn class_attribute(&self, class: &TypeInfo, name: &str) -> Option<Addr> {
        let dict = self.read_or_null(self.layout.offsets.type_object.dict.of(class.address));
        self.dict_get(dict, name)
    }

    /// What a class or one of its bases has under a name.
    pub(super) fn inherited_attribute(&self, info: &TypeInfo, name: &str) -> Option<Addr> {
        self.resolution_order(info)
            .iter()
            .filter(|class| class.has(type_flags::HEAP_TYPE))
            .find_map(|class| self.class_attribute(class, name))
    }
}
