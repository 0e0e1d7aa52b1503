//! The Python runtime, its interpreters, and what observes or replaces their evaluation loop.

use std::collections::HashMap;

use super::Walk;
use crate::addr::Addr;
use crate::layout::{Layout, Provider};
use crate::python::{Hook, Interpreter};
use crate::report::model::{self, Gc, Gil, Hooks, LayoutProvider, Python, Thread};
use crate::source::maps::Mapping;
use crate::stack::roles;

impl Walk<'_, '_> {
    /// The runtime that `layout` describes.
    pub fn runtime(&self, layout: &Layout, threads: &[Thread], state_tids: &HashMap<Addr, u32>) -> Python {
        let holder = |id: i64| {
            threads
                .iter()
                .find(|thread| thread.interpreter == Some(id) && thread.holds_gil == Some(true))
                .map(|t| t.tid)
        };
        let mut interpreters: Vec<model::Interpreter> = self
            .interpreters
            .iter()
            .map(|interpreter| model::Interpreter {
                id: interpreter.id,
                gil: interpreter.gil.map(|gil| Gil {
                    locked: Some(gil.locked),
                    holder_tid: holder(interpreter.id),
                }),
                gc: interpreter.gc_collecting.map(|collecting| Gc {
                    collecting: Some(collecting),
                }),
                finalizing: Some(interpreter.finalizing),
                hooks: Some(self.hooks(layout, interpreter, state_tids)).filter(|hooks| !hooks.is_empty()),
            })
            .collect();
        interpreters.sort_by_key(|interpreter| interpreter.id);
        let executable = self.target.modules().find(layout.image);
        Python {
            implementation: Some("cpython".to_string()),
            version: Some(layout.version.to_string()),
            build: Some(if layout.flavour.debug { "debug" } else { "release" }.to_string()),
            free_threaded: Some(layout.flavour.free_threaded),
            executable: executable.map(|module| module.path.clone()),
            runtime_address: Some(layout.runtime.into()),
            layout: Some(model::Layout {
                provider: match layout.provider {
                    Provider::Dwarf => LayoutProvider::Dwarf,
                    Provider::DebugOffsets => LayoutProvider::DebugOffsets,
                    Provider::Dump => LayoutProvider::Dump,
                    Provider::BuiltIn => LayoutProvider::BuiltIn,
                },
                detail: Some(layout.detail.clone()),
            }),
            interpreters,
            extension_modules: Vec::new(),
        }
    }

    fn hooks(&self, layout: &Layout, interpreter: &Interpreter, state_tids: &HashMap<Addr, u32>) -> Hooks {
        let mut hooks = Hooks::default();
        let Some(python) = self.python else { return hooks };
        for state in &interpreter.threads {
            let Some(&tid) = state_tids.get(&state.address) else {
                continue;
            };
            if let Some(hook) = python.trace_hook(state) {
                hooks.trace.push(tid);
                self.name(hook, &mut hooks.trace_functions);
            }
            if let Some(hook) = python.profile_hook(state) {
                hooks.profile.push(tid);
                self.name(hook, &mut hooks.profile_functions);
            }
        }
        hooks.trace.sort_unstable();
        hooks.profile.sort_unstable();
        hooks.monitoring_tools = python.monitoring_tools(interpreter);
        let eval = python.eval_frame(interpreter);
        let module = self.target.modules().find(eval);
        let is_code = |mapping: &Mapping| mapping.execute && mapping.range.contains(eval);
        let is_other = match module {
            // CPython's own is somewhere in its own image, by whatever name.
            Some(module) => module.range.start != layout.image,
            // A compiler at run time may have made it. Anything but code is a field of another build than the layout's.
            None => self.target.mappings().iter().any(is_code),
        };
        if is_other {
            let name = self.function(eval).filter(|name| !roles::is_eval(name));
            let name = name.unwrap_or_else(|| eval.to_string());
            hooks.eval_frame = Some(match module {
                Some(module) => format!("{name} in {}", module.path),
                None => format!("{name} in no module"),
            });
        }
        hooks
    }

    /// Adds a hook's name, each once: the Python function, else the C function.
    fn name(&self, hook: Hook, names: &mut Vec<String>) {
        let name = hook.callback.or_else(|| self.function(hook.function));
        let name = name.unwrap_or_else(|| hook.function.to_string());
        if !names.contains(&name) {
            names.push(name);
        }
    }

    /// The native function at an address.
    fn function(&self, at: Addr) -> Option<String> {
        let answer = self.symbolizer.symbolize(at, self.notes);
        answer.frames.last()?.function.clone()
    }
}
