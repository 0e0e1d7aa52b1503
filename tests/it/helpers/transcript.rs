//! What a debugger was told to print, and whether it is what a report says.

use serde_json::Value;

/// Of how many frames, innermost first, variables are compared: a recursion has thousands, and each command takes its time.
fn compared(frames: &[&Value]) -> usize {
    if frames.len() > 1000 { 2 } else { frames.len().min(20) }
}

/// The commands that print the frames of a report and each frame's variables; those that begin with `@` are marks to print.
pub fn commands(report: &Value) -> Vec<String> {
    let mut commands = vec!["@traceback".to_string(), "py-bt".to_string()];
    for index in 0..compared(&python_frames(report)) {
        commands.extend([
            "@selected".to_string(),
            format!("py-frame {index}"),
            format!("@frame {index}"),
            "py-locals".to_string(),
        ]);
    }
    commands.extend(["@threads", "py-threads", "@end"].map(str::to_string));
    commands
}

/// The Python frames of the crashed thread in a report, innermost first.
pub fn python_frames(report: &Value) -> Vec<&Value> {
    let threads = report["threads"].as_array().into_iter().flatten();
    let crashed = threads.into_iter().find(|thread| thread["crashed"] == true);
    let frames = crashed
        .and_then(|thread| thread["frames"].as_array())
        .into_iter()
        .flatten();
    frames.filter(|frame| frame["kind"] == "python").collect()
}

/// How what a helper printed differs from the report.
pub fn differences(report: &Value, printed: &str) -> Vec<String> {
    let expected = python_frames(report);
    let places: Vec<String> = expected.iter().map(|frame| place(frame)).collect();
    let lines: Vec<&str> = printed.lines().collect();
    let mut found = thread_differences(report, &section(&lines, "@threads"));
    let lines_of_frames = section(&lines, "@traceback");
    let traceback: Vec<String> = lines_of_frames
        .iter()
        .filter_map(|line| line.strip_prefix("  File "))
        .map(str::to_string)
        .collect();
    // A dump lists the frames of a deep recursion, without the memory of most of them.
    let is_cut = lines_of_frames.iter().any(|line| line.contains(CUT)) && traceback.len() > MIN_FRAMES;
    let has_none = places.is_empty() && lines_of_frames.iter().any(|line| line.contains(NO_STATE));
    if traceback != places[..if is_cut { traceback.len() } else { places.len() }] || places.is_empty() != has_none {
        found.push(format!("frames {traceback:#?}, expected {places:#?} in\n{printed}"));
        return found;
    }
    for (index, frame) in expected.iter().enumerate().take(compared(&expected)) {
        let lines = section(&lines, &format!("@frame {index}"));
        let own = lines.iter().skip_while(|line| !line.starts_with("Locals for ")).skip(1);
        let mut variables: Vec<(&str, &str)> = own
            .take_while(|line| !line.starts_with("Locals for "))
            .filter_map(|line| line.split_once(" = "))
            .collect();
        let wanted = frame["locals"].as_array().into_iter().flatten();
        let mut wanted: Vec<&Value> = wanted.filter(|local| local["state"] != "unset").collect();
        let name = |local: &&Value| local["name"].as_str().unwrap_or_default().to_string();
        // What a module folds stands in one line of the report.
        wanted.retain(|local| name(local) != "(definitions)");
        // Of namespaces the report shows private names last.
        variables.sort();
        wanted.sort_by_key(name);
        let have: Vec<String> = variables.iter().map(|(name, _)| name.to_string()).collect();
        let want: Vec<String> = wanted.iter().map(name).collect();
        if have != want {
            found.push(format!("frame {index}: variables {have:?}, expected {want:?}"));
            continue;
        }
        for ((name, value), local) in variables.iter().zip(wanted) {
            if !agrees(local, value) {
                let expected = local["value"].as_str().unwrap_or_default();
                found.push(format!("frame {index}: {name} = {value}, expected {expected}"));
            }
        }
    }
    found
}

/// How what `py-threads` printed differs from the report: each thread, by interpreter, with its innermost Python frame and
/// whether it holds the GIL.
fn thread_differences(report: &Value, lines: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for thread in report["threads"].as_array().into_iter().flatten() {
        let mut frames = thread["frames"].as_array().into_iter().flatten();
        let (Some(frame), Some(interpreter)) = (
            frames.find(|frame| frame["kind"] == "python"),
            thread["interpreter"].as_i64(),
        ) else {
            continue;
        };
        let head = format!("Interpreter {interpreter}");
        let of_interpreter = lines.iter().skip_while(|line| **line != head).skip(1);
        let mut of_interpreter = of_interpreter.take_while(|line| !line.starts_with("Interpreter "));
        let (tid, place) = (format!(" thread {} ", thread["tid"]), place(frame));
        let gil = ", holds the GIL, ";
        let is_it = |line: &&&str| {
            line.contains(&tid) && line.ends_with(&place) && line.contains(gil) == (thread["holds_gil"] == true)
        };
        if of_interpreter.find(is_it).is_none() {
            found.push(format!("no line for {tid}, {place}, in {head} of {lines:#?}"));
        }
    }
    found
}

/// What a helper says where memory ends early, and where a thread has no Python frames.
const CUT: &str = "memory of further frames cannot be read";
const NO_STATE: &str = "This thread has no Python state";
/// As many frames a dump has the memory of, however deep the stack.
const MIN_FRAMES: usize = 50;

/// Whether a helper's text of a variable is right: the same value, or less of it.
fn agrees(local: &Value, helper: &str) -> bool {
    let report = local["value"].as_str().unwrap_or_default();
    let address = local["address"].as_str().unwrap_or("no address");
    let is_of_address = || helper.starts_with('<') && helper.contains(&format!(" at remote {address}"));
    let class = local["type"].as_str().unwrap_or_default();
    let class = class.rsplit('.').next().unwrap_or_default();
    // A dump has no more than its report shows; attributes are cut.
    let is_of_class = || helper.starts_with(&format!("<{class}(")) && helper.ends_with("...(truncated)");
    local["state"] == "unreadable"
        || is_same(report, helper)
        || is_instance(local, helper)
        || is_of_address()
        || is_of_class()
        || is_frame(report, helper)
        || report.ends_with(&format!(" object at {address}>"))
        || is_part(report, helper)
}

/// Whether both are of one frame.
fn is_frame(report: &str, helper: &str) -> bool {
    let Some((_, place)) = report
        .split_once(", file '")
        .filter(|_| report.starts_with("<frame at "))
    else {
        return false;
    };
    let Some((file, place)) = place.split_once("', line ") else {
        return false;
    };
    let Some((line, function)) = place.split_once(", code ") else {
        return false;
    };
    let function = function.strip_suffix('>').unwrap_or(function);
    helper.starts_with("Frame 0x") && helper.contains(&format!(", for file {file}, line {line}, in {function} ("))
}

/// Whether what a helper shows of a tuple, list, dict or exception of a further class is all in the report, which names the
/// class, fields and arguments too.
fn is_part(report: &str, helper: &str) -> bool {
    let helper = helper.split("<unreadable>").next().unwrap_or_default();
    let helper = helper.trim_end_matches("...(truncated)").trim_end_matches(",)");
    let end = report.find('…').unwrap_or(report.len());
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        // `at remote 0x…`
        let words = words.filter(|word| !word.is_empty() && *word != "remote");
        words.map(str::to_string).collect()
    };
    let known = words(&report[..end]);
    let shown = words(helper);
    if end < report.len() {
        // Attributes of what the report names only stand between.
        return known.iter().filter(|word| shown.contains(word)).count() * 2 >= known.len();
    }
    helper.starts_with(|c: char| !c.is_alphanumeric() || class_of(helper) == class_of(report))
        && shown.iter().all(|word| known.contains(word))
}

fn class_of(text: &str) -> &str {
    text.split('(').next().unwrap_or_default()
}

/// How the tasks that `py-tasks` printed differ from those of the report.
pub fn task_differences(report: &Value, printed: &str) -> Vec<String> {
    let mut expected = Vec::new();
    for task in report["tasks"].as_array().into_iter().flatten() {
        let text = |key: &str| task[key].as_str().unwrap_or("?");
        let awaited = task["awaiting"].as_array().into_iter().flatten();
        let awaited: Vec<&str> = awaited.filter_map(Value::as_str).collect();
        let state = match text("state") {
            "running" => ", running in thread 1".to_string(),
            "ready" if awaited.is_empty() => ", ready to run".to_string(),
            _ => format!(", waiting for {}", awaited.join(", ")),
        };
        expected.push(format!("{} ({}){state}", text("name"), text("coroutine")));
        let frames = task["frames"].as_array().into_iter().flatten();
        expected.extend(frames.map(|frame| format!("  File {}", place(frame))));
    }
    let lines: Vec<&str> = printed.lines().collect();
    let lines = section(&lines, "@tasks");
    let is_command = |line: &&str| line.starts_with("(lldb)");
    let lines: Vec<String> = lines
        .into_iter()
        .filter(|line| !is_command(line))
        .map(|line| line.replace(" at remote ", " at "))
        .collect();
    if expected.is_empty() || lines != expected {
        return vec![format!("tasks {lines:#?}, expected {expected:#?}")];
    }
    Vec::new()
}

/// How the report of a dump that a helper wrote differs from that of the core: in threads, frames, tasks, signal and the
/// values that the helper can show, too.
pub fn dump_differences(core: &Value, dump: &Value) -> Vec<String> {
    let frames = |report: &Value| -> Vec<String> {
        let threads = report["threads"].as_array().into_iter().flatten();
        let of_thread = |thread: &Value| {
            let frames = thread["frames"].as_array().into_iter().flatten();
            let frames = frames.filter(|frame| frame["kind"] == "python");
            frames.map(place).collect::<Vec<_>>().join("; ")
        };
        threads.map(of_thread).collect()
    };
    let signal = |report: &Value| {
        let keys = ["number", "code", "address", "tid"];
        keys.map(|key| report["crash"][key].clone())
    };
    let tasks = |report: &Value| {
        let tasks = report["tasks"].as_array().into_iter().flatten();
        tasks.map(|task| task["name"].to_string()).collect::<Vec<_>>()
    };
    let names = |report: &Value| {
        let frames = python_frames(report);
        let locals = frames
            .iter()
            .flat_map(|frame| frame["locals"].as_array().into_iter().flatten());
        let shown = locals.map(|local| (local["name"].to_string(), local["type"].to_string()));
        shown.collect::<Vec<_>>()
    };
    let mut found = Vec::new();
    let mut check = |what: &str, dump: String, core: String| {
        if dump != core {
            found.push(format!("{what} of the dump {dump}, of the core {core}"));
        }
    };
    check("frames", format!("{:#?}", frames(dump)), format!("{:#?}", frames(core)));
    check("signal", format!("{:?}", signal(dump)), format!("{:?}", signal(core)));
    check("tasks", format!("{:?}", tasks(dump)), format!("{:?}", tasks(core)));
    check("variables", format!("{:?}", names(dump)), format!("{:?}", names(core)));
    found
}

/// A frame in the words of py-bt.
fn place(frame: &Value) -> String {
    let text = |key: &str| frame[key].as_str().unwrap_or("?").to_string();
    let line = frame["line"].as_u64().map_or("?".to_string(), |line| line.to_string());
    format!("\"{}\", line {line}, in {}", text("file"), text("function"))
}

/// The lines after a mark, up to the next one.
pub fn section<'a>(lines: &[&'a str], mark: &str) -> Vec<&'a str> {
    let after = lines.iter().skip_while(|line| **line != mark).skip(1);
    after.take_while(|line| !line.starts_with('@')).copied().collect()
}

/// Whether a helper shows the attributes of that object, which the report lists for themselves.
fn is_instance(local: &Value, helper: &str) -> bool {
    let children = local["children"].as_array().into_iter().flatten();
    let class = local["type"].as_str().unwrap_or_default();
    let class = class.rsplit('.').next().unwrap_or_default();
    let mut names = children.filter_map(|child| child["name"].as_str()).peekable();
    // The report writes `.owner`.
    names.peek().is_some()
        && helper.starts_with(&format!("<{class}("))
        && names.all(|name| helper.contains(&format!("{}=", name.trim_start_matches('.'))))
        && local["address"]
            .as_str()
            .is_some_and(|address| helper.contains(address))
}

/// Whether two texts show one value. The helpers print values as CPython's own helper does: objects without a `repr` of
/// their own by name, attributes and address, exceptions with the comma of a tuple, and all cut at 1,024 characters.
fn is_same(report: &str, helper: &str) -> bool {
    let helper = helper.replace(" at remote 0x", " at 0x");
    let without_comma = |text: &str| text.replace(",)", ")");
    let (mut report, mut helper) = (without_comma(report), without_comma(&helper));
    let is_cut = report.contains('…') || helper.ends_with("...(truncated)");
    if is_cut {
        let end = report.find('…').unwrap_or(report.len());
        report = report[..end].trim_end_matches([' ', ',', '\'', '"']).to_string();
        helper = helper.trim_end_matches("...(truncated)").to_string();
        return helper.starts_with(&report) || report.starts_with(&helper) || begins_alike(&report, &helper);
    }
    let Some(object) = report.find('<') else {
        return report == helper;
    };
    if let Some(name) = report.strip_prefix("<built-in function ") {
        return helper.starts_with(&format!("<built-in method {} of ", name.trim_end_matches('>')));
    }
    if let Some((name, _)) = report.split_once(" from ").filter(|_| report.starts_with("<module ")) {
        // A dump has the names that the report shows, which are those of the module's `__spec__`.
        return helper.starts_with(&format!("{name} at 0x")) || helper.starts_with("<module at 0x");
    }
    let addresses = report.match_indices("0x").map(|(at, _)| {
        let digits = report[at + 2..].find(|c: char| !c.is_ascii_hexdigit());
        &report[at..digits.map_or(report.len(), |digits| at + 2 + digits)]
    });
    helper.get(..object) == report.get(..object) && addresses.into_iter().all(|address| helper.contains(address))
}

/// Whether two cut texts are of one value, where each shows objects within it in its own words: `<a.P object at 0x10>` and
/// `<P(x=1) at 0x10>`.
fn begins_alike(report: &str, helper: &str) -> bool {
    let is_alike = |(known, shown): (&String, &String)| known == shown || shown == "<unknown>";
    let (known, shown) = (parts(report), parts(helper));
    // More than an opening bracket.
    known.len().min(shown.len()) > 1 && known.iter().zip(&shown).all(is_alike)
}

/// The characters of a value, and objects within it as their classes.
fn parts(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut depth, mut quote, mut is_escaped) = (0, None, false);
    for (at, c) in text.char_indices() {
        let mut shown = c;
        if let Some(end) = quote {
            if c == end && !is_escaped {
                (quote, shown) = (None, '\'');
            }
            is_escaped = c == '\\' && !is_escaped;
        } else if c == '\'' || c == '"' {
            (quote, shown) = (Some(c), '\'');
        } else if c == '<' {
            if depth == 0 {
                let name = text[at + 1..].split([' ', '(', '>', ',']).next().unwrap_or_default();
                parts.push(format!("<{}>", name.rsplit('.').next().unwrap_or_default()));
            }
            depth += 1;
        } else if c == '>' {
            depth -= 1;
            continue;
        }
        if depth == 0 {
            parts.push(shown.to_string());
        }
    }
    parts
}

#[test]
fn values_are_told_apart() {
    let threads = "[<Thread(first, started 17)>, <Thread(second, started 18)>]";
    assert!(is_same(
        threads,
        "[<Thread(_name='first', _ident=17) at remote 0x7f>, <Thread(_na...(truncated)"
    ));
    assert!(!is_same(
        threads,
        "[<Thread(_name='first') at remote 0x7f>, <Process(_na...(truncated)"
    ));
    assert!(!is_same(
        threads,
        "(<Thread(_name='first') at remote 0x7f>, <Thread(_na...(truncated)"
    ));
    assert!(is_same("[1, 2]", "[1, 2]"));
    assert!(!is_same("[1, 2]", "[1, 3]"));
    assert!(is_same("[0, 1, … 98 more]", "[0, 1, 2, 3]"));
    assert!(!is_same("[0, 7, … 98 more]", "[0, 1, 2, 3]"));
    assert!(is_same("'aaaa'… 9 more", "'aaaaaaaaa...(truncated)"));
    assert!(is_same("<__main__.P at 0x7f10>", "<P(x=1) at remote 0x7f10>"));
    assert!(!is_same("<__main__.P at 0x7f10>", "<P(x=1) at remote 0x7f20>"));
    assert!(is_same(
        "<built-in function len>",
        "<built-in method len of module object at remote 0x10>"
    ));
    assert!(is_same("ValueError('bad')", "ValueError('bad',)"));
    let local = |class: &str, value: &str| serde_json::json!({"type": class, "value": value, "address": "0x7f10", "state": "ok"});
    assert!(agrees(&local("m.Point", "Point(x=1, y='two')"), "(1, 'two')"));
    assert!(!agrees(&local("m.Point", "Point(x=1, y='two')"), "(1, 'three')"));
    assert!(agrees(
        &local("functools.partial", "functools.partial(int)"),
        "<functools.partial at remote 0x7f10>"
    ));
    assert!(!agrees(
        &local("functools.partial", "functools.partial(int)"),
        "<functools.partial at remote 0x7f20>"
    ));
    assert!(!agrees(&local("int", "17"), "18"));
    assert!(!agrees(&local("str", "'a'"), "'b'"));
    let frame = local("frame", "<frame at 0x7f10, file 'a.py', line 3, code f>");
    assert!(agrees(&frame, "Frame 0x10, for file a.py, line 3, in f ()"));
    assert!(!agrees(&frame, "Frame 0x10, for file a.py, line 4, in f ()"));
    let module = local("frame", "<frame at 0x7f10, file 'a.py', line 3, code <module>>");
    assert!(agrees(&module, "Frame 0x10, for file a.py, line 3, in <module> ()"));
}
