//! The extension modules, by the package they belong to; those of the standard library last.

use super::Out;
use super::escape::clip;
use super::style::paint;
use crate::report::model::ExtensionModule;

/// The most packages, and modules of one package, that are named; the JSON report has all.
const MAX_PACKAGES: usize = 40;
const MAX_MODULES: usize = 12;

pub(super) fn write(out: &mut Out, modules: &[ExtensionModule]) {
    if modules.is_empty() {
        return;
    }
    let style = out.style();
    out.gap();
    let label = paint(style.heading, "Extension modules");
    out.line(&format!("{label} ({}):", modules.len()));
    let mut groups: Vec<(String, Vec<&ExtensionModule>)> = Vec::new();
    for module in modules {
        let group = group(module);
        match groups.iter().position(|(known, _)| *known == group) {
            Some(index) => groups[index].1.push(module),
            None if groups.len() < MAX_PACKAGES => groups.push((group, vec![module])),
            None => {}
        }
    }
    let shown: usize = groups.iter().map(|(_, members)| members.len()).sum();
    for (group, members) in groups {
        let mut names: Vec<String> = members
            .iter()
            .take(MAX_MODULES)
            .map(|module| clip(&module.name, 60))
            .collect();
        if members.len() > MAX_MODULES {
            names.push(format!("{} more", members.len() - MAX_MODULES));
        }
        out.flow(&format!("  {}: ", paint(style.name, &group)), &names, ", ", 4);
    }
    if shown < modules.len() {
        out.line(&format!("  and {} of other packages", modules.len() - shown));
    }
}

/// Package and version.
pub(in crate::report) fn group(module: &ExtensionModule) -> String {
    match (&module.package, &module.version) {
        (Some(package), Some(version)) => format!("{} {}", clip(package, 60), clip(version, 20)),
        (Some(package), None) => clip(package, 60),
        (None, Some(version)) => format!("version {}", clip(version, 20)),
        (None, None) if module.standard_library => "standard library".to_string(),
        (None, None) => "of no known package".to_string(),
    }
}
