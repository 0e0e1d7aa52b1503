//! Dumps of live processes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use coldframe::addr::Addr;
use coldframe::capture::select::StackRequest;
use coldframe::capture::{DumpContents, Selection, SelectionRequest, WrittenDump, dump_name, select, write_dump};
use coldframe::notes::Notes;
use coldframe::source::live::Fault;
use coldframe::source::streams::{RecordedSources, RecordedStack, RecordedSymbols, SymbolFrame};
use coldframe::source::{Crash, DumpError, DumpFile, LiveProcess, Memory, MemoryExt, Recorder, Target};

use crate::tools::{Running, find_program, pyenv_pythons, scratch, skip};

/// Three more threads, one spinning, one waiting, one in a recursion; the line is address and bytes
/// of a buffer.
const PROGRAM: &str = "
import ctypes, os, sys, threading, time
buffer = ctypes.create_string_buffer(os.urandom(5000), 5000)
stop = threading.Event()
def spin():
    while not stop.is_set(): pass
def wait(): stop.wait()
def recurse(n):
    if n: recurse(n - 1)
    else: stop.wait()
threads = [threading.Thread(target=f, args=a, name=f.__name__) for f, a in ((spin, ()), (wait, ()), (recurse, (50,)))]
for thread in threads: thread.start()
time.sleep(0.1)
print(hex(ctypes.addressof(buffer)), buffer.raw.hex(), flush=True)
sys.stdin.read()
stop.set()
for thread in threads: thread.join()
print('unharmed', flush=True)
";

fn attach(pid: u32) -> LiveProcess {
    LiveProcess::attach(pid, Instant::now() + Duration::from_secs(2)).unwrap()
}

/// The address and bytes that the program printed.
fn buffer_of(line: &str) -> (Addr, Vec<u8>) {
    let (address, hex) = line.trim().split_once(' ').unwrap();
    let bytes = (0..hex.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap());
    (Addr(u64::from_str_radix(&address[2..], 16).unwrap()), bytes.collect())
}

/// Writes a dump of all registers and some stack, with what `recorder` saw.
fn write(live: &LiveProcess, recorder: &Recorder<'_>, folder: &Path) -> (WrittenDump, Selection) {
    let stacks: Vec<_> = live
        .threads()
        .iter()
        .filter_map(|t| {
            Some(StackRequest {
                tid: t.tid,
                sp: t.registers?.sp(),
                steps: &[],
                crashed: false,
            })
        })
        .collect();
    let notes = Notes::new();
    let groups = recorder.groups();
    let selection = select(
        live.memory(),
        &SelectionRequest {
            recorded: &groups,
            stacks: &stacks,
            excluded: live.private_ranges(),
            mappings: live.mappings(),
            max_bytes: 8 << 20,
        },
        &notes,
    );
    assert_eq!(notes.to_vec(), []);
    let mut symbols = RecordedSymbols::new();
    symbols.insert(
        Addr(0x1234),
        vec![SymbolFrame {
            function: Some("f".into()),
            ..SymbolFrame::default()
        }],
    );
    let sources: RecordedSources = [("a.py".to_string(), [(1, "x = 1".to_string())].into())].into();
    let contents = DumpContents {
        threads: live.threads(),
        crash: live.crash(),
        modules: live.modules(),
        mappings: live.mappings(),
        maps_text: live.maps_text(),
        memory: live.memory(),
        selection: &selection,
        context: live.context(),
        layout: None,
        symbols: &symbols,
        sources: &sources,
        variables: &[],
        structures: &live.recorded().structures,
        stacks: &[RecordedStack {
            tid: live.pid(),
            ..RecordedStack::default()
        }],
        redaction: &live.recorded().redaction,
        zeroed: &[],
    };
    let path = folder.join(dump_name(&live.context().process));
    (write_dump(&path, &contents).unwrap(), selection)
}

#[test]
fn a_dump_says_what_the_live_process_said() {
    let pythons = pyenv_pythons();
    if pythons.is_empty() {
        return skip("no pyenv Python for the dump test");
    }
    let folder = scratch("dump");
    for (version, python) in pythons {
        let program = Running::python(&python, PROGRAM);
        let (address, bytes) = buffer_of(&program.line);
        let live = attach(program.pid());
        let tid = program.pid();
        let registers = live.threads()[0].registers;
        let crash = Crash {
            tid,
            signal: 11,
            code: 1,
            address: Addr(0xdead),
            sender: None,
        };
        let live = live.with_fault(Fault {
            crash: crash.clone(),
            registers,
        });

        let recorder = Recorder::new(live.memory());
        assert_eq!(recorder.read_vec(address, 3).unwrap(), bytes[..3]);
        assert_eq!(recorder.read_vec(address.add(1001), 3000).unwrap(), bytes[1001..4001]);
        assert!(recorder.read_u8(Addr(8)).is_err());
        let (written, selection) = write(&live, &recorder, &folder);
        assert_eq!(written.lost_ranges, 0);
        let (second, _) = write(&live, &recorder, &folder);
        assert!(second.path.to_string_lossy().ends_with("-1.dmp"), "{second:?}");

        let dump = DumpFile::open(&written.path).unwrap();
        assert!(dump.is_ours());
        assert_eq!(live.threads().len(), 4, "{version}");
        for (a, b) in live.threads().iter().zip(dump.threads()) {
            assert_eq!((a.tid, &a.name, a.registers), (b.tid, &b.name, b.registers));
            assert!(
                a.registers
                    .is_some_and(|r| r.fs_base.is_some_and(|b| b != 0) && !r.pc().is_null())
            );
        }
        assert_eq!(dump.threads().len(), 4);
        let modules = |target: &dyn Target| target.modules().iter().cloned().collect::<Vec<_>>();
        assert_eq!(modules(&live), modules(&dump));
        let libpython = live
            .modules()
            .iter()
            .find(|m| m.name().starts_with("libpython"))
            .unwrap();
        assert!(libpython.build_id.is_some());
        assert_eq!(
            live.modules().iter().filter(|m| m.name() == libpython.name()).count(),
            1
        );
        assert!(
            live.modules()
                .iter()
                .any(|m| m.path == "[vdso]" && m.build_id.is_some())
        );
        assert_eq!(dump.crash(), Some(&crash));
        assert_eq!(dump.context(), live.context());
        assert_eq!(dump.recorded().symbols.len(), 1);
        assert_eq!(dump.recorded().sources.len(), 1);
        assert_eq!(dump.recorded().stacks.len(), 1);

        // Exactly the selected bytes, and each as it was.
        assert_eq!(dump.memory_ranges().collect::<Vec<_>>(), selection.ranges);
        for range in &selection.ranges {
            let read = |memory: &dyn Memory| memory.read_vec(range.start, range.len() as usize).unwrap();
            assert_eq!(read(dump.memory()), read(live.memory()));
        }
        assert_eq!(
            dump.memory().read_vec(address.add(1001), 3000).unwrap(),
            bytes[1001..4001]
        );
        assert!(dump.memory().read_u8(address.add(3)).is_err());
        assert!(dump.memory().read_u8(Addr(8)).is_err());
        drop(live);

        let raw = std::fs::read(&written.path).unwrap();
        assert!(
            !raw.windows(17).any(|w| w == b"secret-3141592653"),
            "the environment is in the dump"
        );
        read_with_minidump_crate(&written.path);
        assert_eq!(program.finish(), ("unharmed\n".to_string(), Some(0)), "{version}");
    }
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(
        left.iter().all(|p| p.extension().is_some_and(|e| e == "dmp")),
        "{left:?}"
    );
    std::fs::remove_dir_all(folder).unwrap();
}

/// Every standard stream must parse.
pub fn read_with_minidump_crate(path: &Path) {
    use minidump::{
        Minidump, MinidumpException, MinidumpLinuxMaps, MinidumpMemoryInfoList, MinidumpMemoryList, MinidumpMiscInfo,
        MinidumpModuleList, MinidumpSystemInfo, MinidumpThreadList, MinidumpThreadNames, Module,
    };
    let dump = Minidump::read_path(path).unwrap();
    let system = dump.get_stream::<MinidumpSystemInfo>().unwrap();
    assert_eq!(system.os, minidump::system_info::Os::Linux);
    assert_eq!(system.cpu, minidump::system_info::Cpu::X86_64);
    let memory = dump.get_memory().unwrap();
    let threads = dump.get_stream::<MinidumpThreadList>().unwrap();
    for thread in &threads.threads {
        let sp = thread.context(&system, None).unwrap().get_stack_pointer();
        let stack = thread.stack_memory(&memory).unwrap();
        // After an overflow the stack pointer stands in the page below the stack.
        let first = sp.max(stack.base_address());
        assert!(first - sp < 4096 && stack.get_memory_at_address::<u64>(first).is_some());
    }
    assert!(
        dump.get_stream::<MinidumpException>()
            .unwrap()
            .context(&system, None)
            .is_some()
    );
    let modules = dump.get_stream::<MinidumpModuleList>().unwrap();
    assert!(modules.main_module().unwrap().code_file().starts_with('/'));
    assert!(
        dump.get_stream::<MinidumpThreadNames>()
            .unwrap()
            .get_name(threads.threads[0].raw.thread_id)
            .is_some()
    );
    assert_eq!(
        dump.get_stream::<MinidumpMemoryList>().unwrap().iter().count(),
        dump.get_stream::<MinidumpMemoryList>().unwrap().by_addr().count()
    );
    dump.get_stream::<MinidumpMiscInfo>().unwrap();
    dump.get_stream::<MinidumpMemoryInfoList>().unwrap();
    dump.get_stream::<MinidumpLinuxMaps>().unwrap();
    assert_eq!(dump.unimplemented_streams().count(), 0);
}

#[test]
fn lldb_opens_a_dump() {
    let Some((_, python)) = pyenv_pythons().pop() else {
        return skip("no pyenv Python for the lldb test");
    };
    let folder = scratch("lldb");
    let program = Running::python(&python, PROGRAM);
    program.wait_until_it_reads();
    let live = attach(program.pid());
    let recorder = Recorder::new(live.memory());
    // Whole stacks of the innermost kilobytes, so that lldb can unwind.
    for thread in live.threads() {
        let sp = thread.registers.unwrap().sp();
        let end = live.mappings().iter().find(|m| m.range.contains(sp)).unwrap().range.end;
        recorder.read_vec(sp, 65536.min(end.0 - sp.0) as usize).unwrap();
    }
    let (written, _) = write(&live, &recorder, &folder);
    let threads: Vec<_> = live.threads().to_vec();
    drop(live);
    // Debian's packages exclude each other, so there is rarely more than one.
    let found: Vec<_> = ["lldb-14", "lldb-16", "lldb-19", "lldb"]
        .into_iter()
        .filter_map(find_program)
        .collect();
    if found.is_empty() {
        skip("lldb to open a dump");
    }
    for lldb_path in found {
        let lldb = lldb_path.display();
        let run = |commands: &[&str], input: &[&str]| {
            let mut command = Command::new(&lldb_path);
            command.arg("--batch").args(input);
            commands.iter().for_each(|c| {
                command.args(["-o", c]);
            });
            String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
        };
        let core = ["--core", written.path.to_str().unwrap()];
        let dead = run(&["thread list", "bt all"], &core);
        let pid = program.pid().to_string();
        let alive = run(&["thread list", "bt all", "detach"], &["-p", &pid]);
        for thread in &threads {
            assert!(
                dead.contains(&format!("tid = {}", thread.tid)),
                "{lldb}: {thread:?} is not in\n{dead}"
            );
        }
        // The frames of the threads that stand still, as `frame #N: 0xADDRESS MODULE` in both.
        let frames = |text: &str| -> Vec<String> {
            let mut list: Vec<_> = text
                .lines()
                .filter_map(|line| Some(line.split_once("frame #")?.1.split_whitespace().nth(1)?.to_string()))
                .collect();
            list.sort();
            list.dedup();
            list
        };
        let (dead_frames, alive_frames) = (frames(&dead), frames(&alive));
        let shared = dead_frames.iter().filter(|f| alive_frames.contains(f)).count();
        assert!(
            shared * 10 >= alive_frames.len() * 7,
            "{lldb}: {shared} of {}\n{dead}\n{alive}",
            alive_frames.len()
        );
    }
    assert_eq!(program.finish().0, "unharmed\n");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_stopped_process_stays_stopped_and_signals_are_not_lost() {
    let Some((_, python)) = pyenv_pythons().pop() else {
        return skip("no pyenv Python for the signal test");
    };
    let program = Running::python(
        &python,
        "
import signal, sys, time
seen = []
for number in (signal.SIGUSR1, signal.SIGRTMIN + 3):
    signal.signal(number, lambda n, f: seen.append(n))
print('ready', flush=True)
for line in sys.stdin: pass
time.sleep(0.05)
print(*(int(n) for n in seen), flush=True)
",
    );
    let pid = program.pid();
    let kill = |signal: i32| {
        assert!(
            Command::new("kill")
                .arg(format!("-{signal}"))
                .arg(pid.to_string())
                .status()
                .unwrap()
                .success()
        );
    };
    let state = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(')').unwrap().1.trim().chars().next().unwrap()
    };
    let wait_for = |wanted: char| {
        let deadline = Instant::now() + Duration::from_secs(5);
        while state() != wanted {
            assert!(Instant::now() < deadline, "state {} instead of {wanted}", state());
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    // 19 SIGSTOP, 18 SIGCONT, 10 SIGUSR1, 37 SIGRTMIN+3.
    kill(19);
    wait_for('T');
    let live = attach(pid);
    assert!(live.threads()[0].registers.is_some());
    assert_eq!(state(), 't');
    drop(live);
    wait_for('T');
    kill(18);
    wait_for('S');

    let live = attach(pid);
    kill(10);
    kill(37);
    drop(live);
    // Signals may arrive at the very moment of attaching, too.
    for _ in 0..50 {
        kill(10);
        drop(attach(pid));
    }
    let (line, code) = program.finish();
    assert_eq!(code, Some(0));
    let seen: Vec<&str> = line.split_whitespace().collect();
    assert!(seen.contains(&"10") && seen.contains(&"37"), "{line}");
}

#[test]
fn bad_inputs_are_errors_that_name_the_file_and_the_next_step() {
    let folder = scratch("bad");
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let message = |path: &Path| {
        let message = DumpFile::open(path).err().unwrap().to_string();
        assert!(message.starts_with(&path.display().to_string()), "{message}");
        message
    };
    assert!(message(&file("empty", b"")).contains("empty"));
    assert!(message(&file("text", b"Fatal Python error: Segmentation fault\n")).contains("text"));
    assert!(message(&file("gzip", &[0x1f, 0x8b, 8, 0])).contains("gunzip"));
    let mut core = b"\x7fELF\x02\x01\x01".to_vec();
    core.resize(64, 0);
    core[16] = 4;
    assert!(message(&file("core", &core)).contains("core"));
    assert!(message(&file("header", b"MDMP\x93\xa7\0\0\x10\0\0\0\x20\0\0\0")).contains("cut short"));
    assert!(message(&folder).contains("regular file"));
    assert!(message(&folder.join("missing")).contains("cannot be read"));
    assert!(matches!(
        DumpFile::open(&file("zero", &[0; 4096])),
        Err(DumpError::NotAMinidump { .. })
    ));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn damaged_dumps_never_panic_and_give_what_is_left() {
    let Some((_, python)) = pyenv_pythons().pop() else {
        return skip("no pyenv Python for the damage test");
    };
    let folder = scratch("damaged");
    let program = Running::python(&python, PROGRAM);
    let (address, _) = buffer_of(&program.line);
    let live = attach(program.pid());
    let recorder = Recorder::new(live.memory());
    recorder.read_vec(address, 5000).unwrap();
    let (written, _) = write(&live, &recorder, &folder);
    let threads = live.threads().len();
    drop(live);
    let good = std::fs::read(&written.path).unwrap();

    let use_all = |bytes: &[u8]| -> Option<usize> {
        let path = folder.join("bad.dmp");
        std::fs::write(&path, bytes).unwrap();
        let dump = DumpFile::open(&path).ok()?;
        for range in dump.memory_ranges().collect::<Vec<_>>() {
            dump.memory().read_vec(range.start, range.len() as usize).unwrap();
        }
        let _ = dump.memory().read_vec(address, 5000);
        assert!(
            bytes.len() == good.len() || !dump.context().notes.is_empty(),
            "no note at {}",
            bytes.len()
        );
        Some(dump.threads().iter().filter(|t| t.registers.is_some()).count())
    };
    for len in (0..good.len()).step_by(good.len() / 150) {
        let found = use_all(&good[..len]);
        // The threads lie in the first part of the file.
        assert!(
            len < good.len() / 2 || found == Some(threads),
            "{found:?} of {threads} threads at {len}"
        );
    }
    // Random bytes, in the directory and the streams next to it above all.
    let mut seed = 5u64;
    let mut next = |bound: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % bound
    };
    for round in 0..400 {
        let mut bad = good.clone();
        for _ in 0..1 + round % 4 {
            let at = if round % 2 == 0 { 8 + next(240) } else { next(bad.len()) };
            bad[at] = [0, 1, 0x7f, 0x80, 0xff, next(256) as u8][next(6)];
        }
        bad.push(0);
        use_all(&bad[..good.len()]);
    }
    std::fs::remove_dir_all(folder).unwrap();
}
