//! Man pages and completions: there is a page for each command, and each option is in both.

use std::fs;
use std::process::Output;

use crate::harness::{COLDFRAME, Folder, bare, output, skip, stderr};
use crate::tools::find_program;

fn coldframe(folder: &Folder, arguments: &[&str]) -> Output {
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process.args(arguments);
    let result = output(process);
    assert!(result.status.success(), "{arguments:?}: {}", stderr(&result));
    result
}

fn text(output: Output) -> String {
    String::from_utf8(output.stdout).expect("text")
}

/// The commands that `--help` lists.
fn commands(folder: &Folder) -> Vec<String> {
    let help = text(coldframe(folder, &["--help"]));
    let list = help.split("Commands:\n").nth(1).expect("commands");
    let words = list.lines().take_while(|line| line.starts_with("  "));
    let names = words.filter_map(|line| line[2..].split(' ').next().filter(|word| !word.is_empty()));
    names.map(str::to_string).collect()
}

/// The long options that the help of a command names at the beginning of a line.
fn options(folder: &Folder, command: &str) -> Vec<String> {
    let help = text(coldframe(folder, &[command, "--help"]));
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    lines
        .filter_map(|line| {
            let option = line.split_whitespace().find(|word| word.starts_with("--"))?;
            let end = option
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
                .unwrap_or(option.len());
            Some(option[..end].to_string())
        })
        .filter(|option| option.len() > 2)
        .collect()
}

#[test]
fn each_command_and_option_is_in_the_manual_and_completed() {
    let folder = Folder::new();
    coldframe(&folder, &["man", "pages"]);
    let scripts: Vec<String> = ["bash", "zsh", "fish"]
        .iter()
        .map(|shell| text(coldframe(&folder, &["completions", shell])))
        .collect();
    let commands = commands(&folder);
    assert!(
        commands.iter().any(|command| command == "analyze") && commands.len() > 8,
        "{commands:?}"
    );
    for command in &commands {
        let name = format!("pages/coldframe-{command}.1");
        let page = fs::read_to_string(folder.join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let page = page.replace('\\', "");
        assert!(page.contains(".SH EXAMPLES"), "{name}");
        let options = options(&folder, command);
        assert!(options.len() > 1 || options == ["--help"], "{command}: {options:?}");
        for option in options {
            assert!(page.contains(&option), "{name}: {option}");
            for script in &scripts {
                let words = option.trim_start_matches('-');
                assert!(script.contains(words), "{command} {option}");
            }
        }
    }
    let whole = fs::read_to_string(folder.join("pages/coldframe.1")).expect("the page");
    let variables = whole.split(".SH ENVIRONMENT").nth(1).expect("variables");
    assert!(variables.contains("COLDFRAME_DIR") && !variables.contains("COLDFRAME_SUPERVISOR"));
    let pages = fs::read_dir(folder.join("pages")).expect("pages").count();
    assert_eq!(pages, commands.len() + 1, "{commands:?}");
    for script in &scripts {
        assert!(
            !script.contains("capture-helper") && !script.contains("triage-worker"),
            "what is hidden stays so"
        );
    }
    bash(&folder, &scripts[0]);
    man(&folder);
}

/// bash offers what begins so.
fn bash(folder: &Folder, script: &str) {
    let Some(bash) = find_program("bash") else {
        return skip("no bash");
    };
    fs::write(folder.join("completions"), script).expect("the script");
    let ask =
        "source completions; COMP_WORDS=(coldframe analyze --no-l); COMP_CWORD=2; _coldframe coldframe --no-l analyze
echo ${COMPREPLY[@]}";
    let mut process = bare(bash.as_os_str(), folder);
    process.args(["--norc", "-c", ask]);
    let result = output(process);
    assert_eq!(text(result.clone()).trim(), "--no-locals", "{}", stderr(&result));
}

/// groff finds nothing wrong with the pages.
fn man(folder: &Folder) {
    let Some(groff) = find_program("groff") else {
        return skip("no groff");
    };
    for entry in fs::read_dir(folder.join("pages")).expect("pages").flatten() {
        let mut process = bare(groff.as_os_str(), folder);
        process.args(["-man", "-Tutf8", "-ww", "-z"]).arg(entry.path());
        let result = output(process);
        assert!(result.status.success(), "{}", stderr(&result));
        assert_eq!(stderr(&result), "", "{}", entry.path().display());
    }
}
