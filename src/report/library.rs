//! What on a stack belongs to the standard library, and so is not the program's own.

use std::collections::HashSet;

use super::model::{ExtensionModule, Frame, Report};

/// The standard library of a process.
#[derive(Clone, Debug, Default)]
pub(in crate::report) struct Library {
    /// Paths of its extension modules.
    modules: HashSet<String>,
    /// Those of all others: some are named as any library is.
    others: HashSet<String>,
}

impl Library {
    pub(in crate::report) fn of(report: &Report) -> Library {
        let modules = report.python.iter().flat_map(|python| &python.extension_modules);
        let (own, others): (Vec<_>, Vec<_>) = modules.partition(|module| module.standard_library);
        let paths = |modules: Vec<&ExtensionModule>| modules.iter().filter_map(|module| module.path.clone()).collect();
        Library {
            modules: paths(own),
            others: paths(others),
        }
    }

    /// Whether an image is one of its extension modules.
    pub(in crate::report) fn has_module(&self, path: &str) -> bool {
        self.modules.contains(path)
    }

    /// Whether a frame runs code of the program or of a package: a Python function, or one of an extension module.
    pub(in crate::report) fn is_application(&self, frame: &Frame) -> bool {
        match frame {
            Frame::Python(python) => python.file.as_deref().is_some_and(|file| !is_standard_library(file)),
            Frame::Native(native) => native
                .module
                .as_deref()
                .is_some_and(|module| self.others.contains(module) || native.extension && !self.has_module(module)),
            Frame::Unknown => false,
        }
    }
}

/// Whether a Python file is one of the standard library: `…/lib/python3.12/x.py`, but not what is installed below it, or a
/// frozen module.
pub(crate) fn is_standard_library(file: &str) -> bool {
    if file.starts_with("<frozen ") {
        return true;
    }
    let Some((_, rest)) = file.rsplit_once("/lib/python3") else {
        return false;
    };
    let inside = rest.split_once('/').map_or("", |(_, inside)| inside);
    !inside.starts_with("site-packages/") && !inside.starts_with("dist-packages/") && !inside.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::{NativeFrame, Python, PythonFrame};

    #[test]
    fn the_programs_own_frames() {
        let module = |path: &str, standard_library| ExtensionModule {
            path: Some(path.into()),
            standard_library,
            ..ExtensionModule::default()
        };
        let report = Report {
            python: vec![Python {
                extension_modules: vec![module("/l/_ctypes.so", true), module("/s/_fast.so", false)],
                ..Python::default()
            }],
            ..Report::default()
        };
        let library = Library::of(&report);
        let python = |file: &str| {
            Frame::Python(PythonFrame {
                file: Some(file.into()),
                ..PythonFrame::default()
            })
        };
        let native = |path: &str, extension| {
            Frame::Native(NativeFrame {
                module: Some(path.into()),
                extension,
                ..NativeFrame::default()
            })
        };
        for (frame, own) in [
            (python("/app/io.py"), true),
            (python("<string>"), true),
            (python("/usr/lib/python3.12/json/decoder.py"), false),
            (python("/usr/lib/python3/dist-packages/x.py"), true),
            (python("/v/lib/python3.12/site-packages/numpy/x.py"), true),
            (python("<frozen importlib._bootstrap>"), false),
            (native("/l/_ctypes.so", true), false),
            (native("/s/_fast.so", true), true),
            (native("/s/_fast.so", false), true),
            (native("/s/_late.so", true), true),
            (native("/usr/lib/libc.so.6", false), false),
        ] {
            assert_eq!(library.is_application(&frame), own, "{frame:?}");
        }
    }
}
