//! The EXECUTABLE argument: whether it is what left the core.

use std::path::Path;

use coldframe::image::Images;
use coldframe::notes::Notes;
use coldframe::source::Target;

/// Notes that `path` was given by hand but is of another build than everything the process had mapped. It is never used then.
///
/// # Errors
/// Where it cannot be read, or is no program at all: a script, or the core itself.
pub(super) fn check(path: &Path, target: &dyn Target, notes: &Notes) -> anyhow::Result<()> {
    let given = Images::build_id_of(path).map_err(|error| {
        anyhow::anyhow!("{error}; EXECUTABLE is the program that left the core, python3 for instance")
    })?;
    if given.is_some() && target.modules().iter().any(|module| module.build_id == given) {
        return Ok(());
    }
    let wanted = target
        .modules()
        .iter()
        .find(|module| module.path == target.context().process.executable);
    let wanted = wanted.and_then(|module| module.build_id.as_ref());
    notes.push(
        "modules",
        match (&given, wanted) {
            (Some(given), Some(wanted)) => format!(
                "{} is not what left the core: its build id is {given}, that of the program was {wanted}",
                path.display()
            ),
            _ => format!(
                "{} cannot be told to be what left the core by its build id",
                path.display()
            ),
        },
        "it is used only where its dynamic section agrees with memory",
        "",
    );
    Ok(())
}
