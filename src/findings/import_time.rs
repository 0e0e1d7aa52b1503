//! It happened while an extension module was imported.

use super::scene::{function, named};
use super::{Conclusion, Scene};
use crate::report::model::{Confidence, PythonFrame};

/// What importlib calls to load an extension module (Lib/importlib/_bootstrap_external.py, `ExtensionFileLoader`).
const LOADING: [&str; 2] = ["create_module", "exec_module"];
/// What stands between that and native code.
const PASSING: &str = "_call_with_frames_removed";

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    scene.crash?;
    let mut frames = scene
        .pythons()
        .skip_while(|frame| is_importlib(frame) && frame.function.as_deref() == Some(PASSING));
    let loader = frames.next().filter(|frame| is_importlib(frame))?;
    let step = loader.function.as_deref().filter(|name| LOADING.contains(name))?;
    let natives = scene.natives();
    let init = natives.iter().find(|frame| function(frame).starts_with("PyInit_"));
    let module = module_name(loader).or_else(|| Some(function(init?).strip_prefix("PyInit_")?.to_string()));
    // Modules written in Python are executed by the same name.
    let code = init.or_else(|| natives.iter().find(|frame| frame.extension))?;
    let importer = scene.pythons().find(|frame| !is_importlib(frame));
    let importer = importer.and_then(|frame| {
        Some(format!(
            "it was imported by {}, line {}",
            frame.file.as_ref()?,
            frame.line?
        ))
    });
    Some(
        Conclusion::new(
            Confidence::Likely,
            match &module {
                Some(module) => format!("the extension module {module} failed while it was being imported"),
                None => "an extension module failed while it was being imported".to_string(),
            },
        )
        .because(format!("importlib runs {step}, inside of it {}", named(code)))
        .because_if(importer)
        .advise("import it alone; where that fails too, install a build for this very Python, or build it from source"),
    )
}

fn is_importlib(frame: &PythonFrame) -> bool {
    let file = frame.file.as_deref().unwrap_or_default();
    file.starts_with("<frozen importlib") || file.contains("/importlib/_bootstrap")
}

/// The name in the `spec` or of the `module` that the loader was given.
fn module_name(frame: &PythonFrame) -> Option<String> {
    let local = |name: &str| frame.locals.iter().find(|local| local.name == name);
    let by_spec = local("spec").and_then(|spec| {
        let name = spec
            .children
            .iter()
            .find(|child| [".name", "name"].contains(&child.name.as_str()))?;
        Some(unquoted(name.value.as_deref()?).to_string())
    });
    by_spec.or_else(|| {
        let text = local("module")?.value.as_deref()?;
        let (name, _) = text.strip_prefix("<module '")?.split_once('\'')?;
        Some(name.to_string())
    })
}

fn unquoted(repr: &str) -> &str {
    repr.trim_matches(['\'', '"'])
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;

    #[test]
    fn native_code_below_the_loader() {
        let bootstrap = [
            "py:create_module@<frozen importlib._bootstrap_external>",
            "py:main@/a.py",
        ];
        let frames = [&["setup@/x/fast.so", "PyInit_fast@/x/fast.so"][..], &bootstrap].concat();
        let found = Stage::new(libc::SIGSEGV, 1, 0).stack(&frames).apply(apply).unwrap();
        assert_eq!(
            found.title,
            "the extension module fast failed while it was being imported"
        );
        let frames = [&["strlen@/lib/libc.so.6"][..], &bootstrap].concat();
        assert_eq!(Stage::new(libc::SIGSEGV, 1, 0).stack(&frames).apply(apply), None);
        let inner = [&["PyInit_fast@/x/fast.so", "py:helper@/b.py"][..], &bootstrap].concat();
        assert_eq!(Stage::new(libc::SIGSEGV, 1, 0).stack(&inner).apply(apply), None);
    }
}
