//! Fields of instances of types written in C that offer none to Python, by debug information.

use std::rc::Rc;

use super::super::Python;
use super::super::object::TypeInfo;
use super::{Part, Value};
use crate::addr::Addr;
use crate::source::variables::{Form, NativeType};

/// How many functions of a type are taken down.
const MAX_FUNCTIONS: u64 = 4;
/// `PyMethodDef` (Include/methodobject.h): its size, and where its function stands.
const METHOD_SIZE: u64 = 32;
const METHOD_FUNCTION: u64 = 8;
/// How many classes of a method resolution order are looked at.
const MAX_CLASSES: usize = 8;

/// Who knows the structures of instances.
pub trait Structures {
    /// The structure of instances of `class`, which have `size` bytes, by some of the functions of the class.
    fn of_class(&self, class: Addr, size: u64, functions: &[Addr]) -> Option<Rc<NativeType>>;
    /// The value of a field that is no Python object.
    fn value(&self, name: &str, kind: &NativeType, at: Addr) -> Value;
}

impl Python<'_> {
    /// The fields of an instance, but those of these names.
    pub(super) fn structure_parts(
        &self,
        instance: Addr,
        info: &TypeInfo,
        known: &[(String, Part)],
    ) -> Vec<(String, Part)> {
        let Some(structures) = self.structures else {
            return Vec::new();
        };
        let order = self.resolution_order(info);
        let structure = order
            .iter()
            .take(MAX_CLASSES)
            .find_map(|class| structures.of_class(class.address, class.basicsize, &self.functions_of(class)));
        let Some(structure) = structure else { return Vec::new() };
        let Form::Struct(members) = &structure.form else {
            return Vec::new();
        };
        let head = self.layout.offsets.object.size.bytes().unwrap_or(16);
        let mut parts = Vec::new();
        for member in members {
            let name = format!(".{}", member.name);
            if member.offset < head || member.name.is_empty() || known.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let at = instance.add(member.offset);
            let object = match member.kind.form {
                Form::Object => self.read_or_null(at),
                _ => Addr::NULL,
            };
            let part = if object.is_null() {
                let value = structures.value(&member.name, &member.kind, at);
                Part::Plain(match self.redacts_plain(&member.name, at) {
                    true => Self::redacted_plain(at),
                    false => Value { address: at, ..value },
                })
            } else {
                self.redact_named(&member.name, object);
                Part::Object(object)
            };
            parts.push((name, part));
        }
        parts
    }

    /// `tp_dealloc`, which stands behind `tp_itemsize`, and methods, which stand before `tp_members`
    /// (Include/cpython/object.h).
    fn functions_of(&self, class: &TypeInfo) -> Vec<Addr> {
        let offsets = &self.layout.offsets.type_object;
        let dealloc = self.read_or_null(offsets.itemsize.of(class.address).add(8));
        let methods = self.read_or_null(offsets.members.of(class.address).sub(8));
        let method = |index: u64| {
            let at = methods.add(index * METHOD_SIZE);
            let name = self.read_or_null(at);
            (!methods.is_null() && !name.is_null()).then(|| self.read_or_null(at.add(METHOD_FUNCTION)))
        };
        let methods = (0..MAX_FUNCTIONS).map_while(method);
        [dealloc]
            .into_iter()
            .chain(methods)
            .filter(|at| !at.is_null())
            .collect()
    }
}
