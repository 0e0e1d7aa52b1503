//! Names without what changes from build to build.

/// A function's name without arguments, template arguments, the compiler's suffixes, hashes and the CPU it was
/// chosen for.
pub fn function(name: &str) -> String {
    let name = name.split("@@").next().unwrap_or(name);
    let name = without_suffixes(without_hash(name));
    if let Some(cython) = cython(name) {
        return cython;
    }
    let name = templates(name);
    let name = arguments(&name).replace("(anonymous namespace)::", "");
    let name = without_return_type(&name);
    variant(name.trim()).to_string()
}

/// `.cold`, `.part.0`, `.llvm.123`, …: what compilers append when they take a function apart.
fn without_suffixes(name: &str) -> &str {
    const SUFFIXES: [&str; 7] = [
        ".cold",
        ".part.",
        ".constprop.",
        ".isra.",
        ".lto_priv.",
        ".llvm.",
        "[clone",
    ];
    let end = SUFFIXES.iter().filter_map(|suffix| name.find(suffix)).min();
    name[..end.unwrap_or(name.len())].trim_end()
}

/// Rust's `::h0123456789abcdef`.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((rest, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => rest,
        _ => name,
    }
}

/// `__pyx_pf_3pkg_3mod_4work` is `pkg.mod.work` (Cython/Compiler/Naming.py and its mangling of qualified names).
fn cython(name: &str) -> Option<String> {
    const PREFIXES: [&str; 6] = [
        "__pyx_pw_",
        "__pyx_pf_",
        "__pyx_fuse_",
        "__pyx_f_",
        "__pyx_pymod_exec_",
        "__pyx_gb_",
    ];
    let mut rest = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix))?;
    let mut parts = Vec::new();
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            break;
        }
        let length: usize = rest[..digits].parse().ok()?;
        let part = rest[digits..].get(..length);
        // The number before the last name is a counter, not a length.
        match part.filter(|_| rest[digits + length..].starts_with('_')) {
            Some(part) => {
                parts.push(part);
                rest = &rest[digits + length + 1..];
            }
            None => {
                rest = &rest[digits..];
                break;
            }
        }
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    (!parts.is_empty()).then(|| parts.join("."))
}

/// `vector<int, allocator<int>>` becomes `vector<T>`. An operator's `<` is not the begin of arguments.
fn templates(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut depth = 0_usize;
    for character in name.chars() {
        match character {
            '<' if depth == 0 && (out.ends_with("operator") || out.is_empty() || out.ends_with("::")) => {
                // `operator<`, and Rust's `<T as Trait>::method`, whose types are the name.
                out.push('<');
            }
            '<' => {
                if depth == 0 {
                    out.push_str("<T>");
                }
                depth += 1;
            }
            '>' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            _ => out.push(character),
        }
    }
    out
}

/// Without `(int, char const*) const`.
fn arguments(name: &str) -> String {
    let from = name.find("operator()").map_or(0, |at| at + "operator()".len());
    let open = name[from..]
        .match_indices('(')
        .map(|(at, _)| from + at)
        .find(|&at| at > 0 && !name[at..].starts_with("(anonymous namespace)"));
    name[..open.unwrap_or(name.len())].trim_end().to_string()
}

/// `void work` is `work`: demanglers name the type for templates only.
fn without_return_type(name: &str) -> &str {
    match name.rsplit_once(' ') {
        Some((before, name)) if !before.contains("operator") && !before.contains('<') && !name.is_empty() => name,
        _ => name,
    }
}

/// `__strlen_avx2` is `strlen`: glibc chooses it by the CPU (IFUNC).
fn variant(name: &str) -> &str {
    const CPUS: [&str; 9] = [
        "_avx", "_evex", "_sse2", "_sse3", "_sse4", "_ssse3", "_erms", "_sve", "_generic",
    ];
    let end = CPUS.iter().filter_map(|cpu| name.find(cpu)).min();
    match end {
        Some(end) if end > 2 => name[..end].trim_end_matches("_unaligned").trim_start_matches('_'),
        _ => name,
    }
}

/// An image's name without folder, version of Python or library, and the hash that auditwheel adds.
pub fn module(path: &str) -> String {
    let name = path.trim_end_matches(" (deleted)").rsplit('/').next().unwrap_or(path);
    if name.starts_with("libpython") || is_interpreter(name) {
        return "python".to_string();
    }
    let name = name.split(".so").next().unwrap_or(name);
    let name = name.split(".cpython-").next().unwrap_or(name);
    let name = name.split(".pypy").next().unwrap_or(name);
    let name = name.trim_end_matches(".abi3");
    match name.rsplit_once('-') {
        Some((rest, hash)) if hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => rest.to_string(),
        // libc-2.31
        Some((rest, version)) if version.starts_with(|c: char| c.is_ascii_digit()) && version.contains('.') => {
            rest.to_string()
        }
        _ => name.to_string(),
    }
}

/// `python`, `python3`, `python3.12d`, …
fn is_interpreter(name: &str) -> bool {
    name.strip_prefix("python")
        .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'd' | 't')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions() {
        for (name, expected) in [
            ("work", "work"),
            ("work.cold", "work"),
            ("work.constprop.0.isra.1", "work"),
            ("memcpy@@GLIBC_2.14", "memcpy"),
            ("__strlen_avx2", "strlen"),
            ("__memmove_avx_unaligned_erms", "memmove"),
            ("__memcpy_evex_unaligned_erms", "memcpy"),
            (
                "pkg::Reader<int, std::less<int>>::flush(char const*) const",
                "pkg::Reader<T>::flush",
            ),
            ("void pkg::apply<int>(int)", "pkg::apply<T>"),
            ("std::vector<int>::operator()(int)", "std::vector<T>::operator()"),
            ("pkg::(anonymous namespace)::work(int)", "pkg::work"),
            ("pkg::operator<(pkg::A const&)", "pkg::operator<"),
            ("pkg::work::h0123456789abcdef", "pkg::work"),
            (
                "<pkg::A as core::fmt::Display>::fmt::h0123456789abcdef",
                "<pkg::A as core::fmt::Display>::fmt",
            ),
            ("__pyx_pf_3pkg_3mod_4work", "pkg.mod.work"),
            ("__pyx_pw_3pkg_3mod_6Reader_3flush", "pkg.mod.Reader.flush"),
            ("__pyx_f_3pkg_3mod_helper", "pkg.mod.helper"),
            ("", ""),
            ("<", "<"),
            ("((((", "("),
            ("__pyx_pf_99999999999999999999_a", "__pyx_pf_99999999999999999999_a"),
        ] {
            assert_eq!(function(name), expected, "{name}");
        }
    }

    #[test]
    fn modules() {
        for (path, expected) in [
            ("/usr/lib/libpython3.12.so.1.0", "python"),
            ("/usr/bin/python3.14", "python"),
            ("/opt/python3.13t", "python"),
            ("/x/_fast.cpython-312-x86_64-linux-gnu.so", "_fast"),
            ("/x/_fast.abi3.so", "_fast"),
            ("/x/libgomp-a34b3233.so.1.0.0", "libgomp"),
            ("/lib/x86_64-linux-gnu/libc.so.6", "libc"),
            ("/lib/libc-2.31.so", "libc"),
            ("/x/app (deleted)", "app"),
            ("", ""),
        ] {
            assert_eq!(module(path), expected, "{path}");
        }
    }
}
