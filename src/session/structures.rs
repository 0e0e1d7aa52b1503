//! The structures of Python types written in C: those that a dump has, and those that debug information at hand tells.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::addr::{Addr, Svma};
use crate::image::Images;
use crate::native::{self, Renderer, Secrets};
use crate::python::{Limits, Structures, Value};
use crate::redact::Redactor;
use crate::source::Target;
use crate::source::variables::{Form, NativeType, NativeVariable, Place, RecordedStructures, RecordedVariables};

/// The most types that are looked up.
const MAX_TYPES: usize = 50;
/// Where the standard library has its extension modules, whose values have renderers of their own.
const STANDARD_LIBRARY: &str = "/lib-dynload/";

/// Looks up structures, and keeps those that were found.
pub struct TypeStructures<'a> {
    target: &'a dyn Target,
    images: &'a Images,
    /// Where the interpreter's own code lies.
    runtime: Addr,
    redactor: &'a Redactor,
    time: Duration,
    began: RefCell<Option<Instant>>,
    found: RefCell<BTreeMap<Addr, Option<Rc<NativeType>>>>,
}

impl<'a> TypeStructures<'a> {
    /// For a process whose interpreter is the image that begins at `runtime`. Looking up may take so long.
    pub fn new(
        target: &'a dyn Target,
        images: &'a Images,
        runtime: Addr,
        redactor: &'a Redactor,
        time: Duration,
    ) -> TypeStructures<'a> {
        TypeStructures {
            target,
            images,
            runtime,
            redactor,
            time,
            began: RefCell::new(None),
            found: RefCell::default(),
        }
    }

    /// All that were found.
    pub fn into_found(self) -> RecordedStructures {
        let all = self.found.into_inner().into_iter();
        all.filter_map(|(class, found)| Some((class, found?.as_ref().clone())))
            .collect()
    }

    fn search(&self, size: u64, functions: &[Addr]) -> Option<NativeType> {
        let began = *self.began.borrow_mut().get_or_insert_with(Instant::now);
        if began.elapsed() > self.time || self.found.borrow().len() >= MAX_TYPES {
            return None;
        }
        let modules = self.target.modules();
        let is_foreign = |at: &&Addr| {
            let module = modules.find(**at);
            module.is_some_and(|module| module.range.start != self.runtime && !module.path.contains(STANDARD_LIBRARY))
        };
        let first = *functions.iter().find(is_foreign)?;
        let module = modules.find(first)?;
        let image = self.images.image(module).ok()?;
        let bias = image.bias(module.range.start)?;
        let functions = functions.iter().filter(|at| module.range.contains(**at));
        let functions: Vec<Svma> = functions.map(|at| Svma(at.0.wrapping_sub(bias))).collect();
        let mut found = native::structure(&image, &functions, size)?;
        if let Form::Struct(members) = &mut found.form
            && self.redactor.is_active()
        {
            members
                .iter_mut()
                .for_each(|member| hide_inner(&mut member.kind, self.redactor));
        }
        Some(found)
    }
}

impl Structures for TypeStructures<'_> {
    fn of_class(&self, class: Addr, size: u64, functions: &[Addr]) -> Option<Rc<NativeType>> {
        if let Some(known) = self.found.borrow().get(&class) {
            return known.clone();
        }
        let recorded = self.target.recorded().structures.get(&class).cloned();
        let found = recorded.or_else(|| self.search(size, functions)).map(Rc::new);
        self.found.borrow_mut().insert(class, found.clone());
        found
    }

    fn value(&self, name: &str, kind: &NativeType, at: Addr) -> Value {
        let field = NativeVariable {
            name: name.to_string(),
            is_argument: false,
            kind: kind.clone(),
            place: Place::Memory(at),
            register: None,
        };
        let mut holder = [RecordedVariables {
            functions: vec![vec![field]],
            ..RecordedVariables::default()
        }];
        let secrets = Secrets {
            memory: self.target.memory(),
            python: None,
            redactor: self.redactor,
        };
        secrets.hide(&mut holder);
        let mut renderer = Renderer {
            memory: self.target.memory(),
            python: None,
            limits: Limits::default(),
        };
        let [holder] = holder;
        let field = holder.functions.into_iter().flatten().next();
        if field.as_ref().is_some_and(|field| field.place == Place::Redacted) {
            self.redactor.add_object(at);
        }
        field.and_then(|field| renderer.value(&field)).unwrap_or_default()
    }
}

/// Has fields of fields that have secret names left out: they have no address by which a dump could name them.
fn hide_inner(kind: &mut NativeType, redactor: &Redactor) {
    let fields = match &mut kind.form {
        Form::Struct(members) => members,
        Form::Array(item, _) => return hide_inner(item, redactor),
        _ => return,
    };
    for field in fields {
        match redactor.is_secret_name(&field.name) {
            true => field.kind.form = Form::Redacted,
            false => hide_inner(&mut field.kind, redactor),
        }
    }
}
