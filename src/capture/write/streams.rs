//! The standard streams.

use std::path::Path;

use minidump_writer::mem_writer::{Buffer, MemoryArrayWriter, MemoryWriter, write_string_to_location};
use minidump_writer::minidump_cpu::RawContextCPU;
use minidump_writer::minidump_format::format::{
    CPU_INFORMATION, ContextFlagsAmd64, CvSignature, MINIDUMP_MISC_INFO, MemoryProtection, MemoryState, MemoryType,
    MiscInfoFlags,
};
use minidump_writer::minidump_format::{
    MDCPUArchitecture, MDException, MDLocationDescriptor, MDMemoryDescriptor, MDMemoryInfo, MDMemoryInfoList,
    MDRawExceptionStream, MDRawModule, MDRawSystemInfo, MDRawThread, MDRawThreadName, MDStreamType, PlatformId,
};

use super::layout::Layout;
use super::{DumpContents, StreamError, ThreadRow};
use crate::addr::AddrRange;
use crate::source::maps::Mapping;
use crate::source::streams::ProcessContext;
use crate::source::{Modules, Registers, Thread, ranges};

/// The stream type of `/proc/PID/maps` (a Breakpad extension).
pub const LINUX_MAPS: u32 = MDStreamType::LinuxMaps as u32;
/// Bytes of a row of the thread list, and where its `stack` member lies.
const THREAD_ROW: u64 = 48;
const STACK_FIELD: u64 = 24;
/// Memory is copied in pieces of this size.
const PIECE: u64 = 64 * 1024;
/// Segment selectors of 64-bit user code on Linux (arch/x86/include/asm/segment.h).
const USER_CS: u16 = 0x33;
const USER_SS: u16 = 0x2b;

/// Writes a string; returns its position.
fn string(out: &mut Layout<'_>, text: &str) -> Result<u32, StreamError> {
    let mut buffer = Buffer::with_capacity(4 + text.len() * 2);
    write_string_to_location(&mut buffer, text)?;
    out.align()?;
    Ok(out.append(&buffer)?.rva)
}

/// Machine and operating system, which readers need to make sense of registers.
pub fn system_info(out: &mut Layout<'_>, process: &ProcessContext) -> Result<(), StreamError> {
    let release = process.kernel.as_deref().unwrap_or_default();
    let version = format!("Linux {release} {}", process.arch.as_deref().unwrap_or_default());
    let csd_version_rva = string(out, version.trim_end())?;
    let numbers: Vec<u32> = release.split(['.', '-']).map_while(|n| n.parse().ok()).collect();
    let number = |i| numbers.get(i).copied().unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(0, |n| n.get().min(255) as u8);
    let mut buffer = Buffer::with_capacity(64);
    MemoryWriter::alloc_with_val(
        &mut buffer,
        MDRawSystemInfo {
            processor_architecture: MDCPUArchitecture::PROCESSOR_ARCHITECTURE_AMD64 as u16,
            processor_level: 0,
            processor_revision: 0,
            number_of_processors: processors,
            product_type: 0,
            major_version: number(0),
            minor_version: number(1),
            build_number: number(2),
            platform_id: PlatformId::Linux as u32,
            csd_version_rva,
            suite_mask: 0,
            reserved2: 0,
            cpu: CPU_INFORMATION { data: [0; 24] },
        },
    )?;
    out.raw_stream(MDStreamType::SystemInfoStream as u32, &buffer)?;
    Ok(())
}

fn registers(registers: &Registers) -> Result<Buffer, StreamError> {
    let [
        rax,
        rdx,
        rcx,
        rbx,
        rsi,
        rdi,
        rbp,
        rsp,
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
        rip,
    ] = registers.dwarf;
    let flags = ContextFlagsAmd64::CONTEXT_AMD64_CONTROL
        | ContextFlagsAmd64::CONTEXT_AMD64_INTEGER
        | ContextFlagsAmd64::CONTEXT_AMD64_SEGMENTS;
    let context = RawContextCPU {
        context_flags: flags.bits(),
        cs: USER_CS,
        ss: USER_SS,
        rax,
        rcx,
        rdx,
        rbx,
        rsp,
        rbp,
        rsi,
        rdi,
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
        rip,
        ..RawContextCPU::default()
    };
    let mut buffer = Buffer::with_capacity(1232);
    MemoryWriter::alloc_with_val(&mut buffer, context)?;
    Ok(buffer)
}

/// Threads, for now without stacks: [`memory`] fills them in.
pub fn thread_list(out: &mut Layout<'_>, contents: &DumpContents<'_>) -> Result<Vec<ThreadRow>, StreamError> {
    let mut rows = Vec::with_capacity(contents.threads.len());
    for thread in contents.threads {
        let context = match &thread.registers {
            Some(values) => {
                out.align()?;
                let location = out.append(&registers(values)?)?;
                (location.rva, location.data_size)
            }
            None => (0, 0),
        };
        let sp = thread.registers.as_ref().map(Registers::sp).unwrap_or_default();
        rows.push(ThreadRow {
            tid: thread.tid,
            stack_field: 0,
            context,
            sp,
        });
    }
    let mut buffer = Buffer::with_capacity(4 + rows.len() * THREAD_ROW as usize);
    MemoryWriter::alloc_with_val(&mut buffer, rows.len() as u32)?;
    for row in &rows {
        let (rva, data_size) = row.context;
        MemoryWriter::alloc_with_val(
            &mut buffer,
            MDRawThread {
                thread_id: row.tid,
                suspend_count: 0,
                priority_class: 0,
                priority: 0,
                teb: 0,
                stack: MDMemoryDescriptor {
                    start_of_memory_range: row.sp.0,
                    memory: MDLocationDescriptor::default(),
                },
                thread_context: MDLocationDescriptor { data_size, rva },
            },
        )?;
    }
    let list = out.raw_stream(MDStreamType::ThreadListStream as u32, &buffer)?;
    for (index, row) in rows.iter_mut().enumerate() {
        row.stack_field = u64::from(list.rva) + 4 + index as u64 * THREAD_ROW + STACK_FIELD;
    }
    Ok(rows)
}

/// The signal, in the way Breakpad stores it: number, `si_code` as flags, `si_addr`.
pub fn exception(out: &mut Layout<'_>, contents: &DumpContents<'_>, rows: &[ThreadRow]) -> Result<(), StreamError> {
    let Some(crash) = contents.crash else {
        return Ok(());
    };
    let context = rows
        .iter()
        .find(|row| row.tid == crash.tid)
        .map_or((0, 0), |row| row.context);
    let mut buffer = Buffer::with_capacity(168);
    MemoryWriter::alloc_with_val(
        &mut buffer,
        MDRawExceptionStream {
            thread_id: crash.tid,
            __align: 0,
            exception_record: MDException {
                exception_code: crash.signal.cast_unsigned(),
                exception_flags: crash.code.cast_unsigned(),
                exception_address: crash.address.0,
                ..MDException::default()
            },
            thread_context: MDLocationDescriptor {
                data_size: context.1,
                rva: context.0,
            },
        },
    )?;
    out.raw_stream(MDStreamType::ExceptionStream as u32, &buffer)?;
    Ok(())
}

/// The images; the executable comes first, by which readers know it.
pub fn module_list(out: &mut Layout<'_>, modules: &Modules, executable: &Path) -> Result<(), StreamError> {
    let mut list: Vec<_> = modules.iter().collect();
    list.sort_by_key(|module| Path::new(&module.path) != executable);
    let mut rows = Vec::with_capacity(list.len());
    for module in list {
        let module_name_rva = string(out, &module.path)?;
        let cv_record = match &module.build_id {
            Some(id) => {
                let mut record = (CvSignature::Elf as u32).to_le_bytes().to_vec();
                record.extend_from_slice(&id.0);
                out.align()?;
                out.append(&record)?
            }
            None => MDLocationDescriptor::default(),
        };
        rows.push(MDRawModule {
            base_of_image: module.range.start.0,
            // 4 GiB of image do not exist; cut rather than wrapped.
            size_of_image: u32::try_from(module.range.len()).unwrap_or(u32::MAX),
            module_name_rva,
            cv_record,
            ..MDRawModule::default()
        });
    }
    list_stream(out, MDStreamType::ModuleListStream as u32, rows.len(), |buffer| {
        MemoryArrayWriter::alloc_from_iter(buffer, rows)?;
        Ok(())
    })
}

/// A stream of a count and rows.
fn list_stream(
    out: &mut Layout<'_>,
    stream_type: u32,
    count: usize,
    rows: impl FnOnce(&mut Buffer) -> Result<(), StreamError>,
) -> Result<(), StreamError> {
    let mut buffer = Buffer::with_capacity(4 + count * 16);
    MemoryWriter::alloc_with_val(&mut buffer, count as u32)?;
    rows(&mut buffer)?;
    out.raw_stream(stream_type, &buffer)?;
    Ok(())
}

/// Names, of the threads that have one.
pub fn thread_names(out: &mut Layout<'_>, threads: &[Thread]) -> Result<(), StreamError> {
    let mut rows = Vec::new();
    for thread in threads {
        if let Some(name) = &thread.name {
            let rva = string(out, name)?;
            rows.push(MDRawThreadName {
                thread_id: thread.tid,
                thread_name_rva: rva.into(),
            });
        }
    }
    list_stream(out, MDStreamType::ThreadNamesStream as u32, rows.len(), |buffer| {
        MemoryArrayWriter::alloc_from_iter(buffer, rows)?;
        Ok(())
    })
}

/// The process id, where other readers look for it.
pub fn misc_info(out: &mut Layout<'_>, contents: &DumpContents<'_>) -> Result<(), StreamError> {
    let mut buffer = Buffer::with_capacity(24);
    MemoryWriter::alloc_with_val(
        &mut buffer,
        MINIDUMP_MISC_INFO {
            size_of_info: 24,
            flags1: MiscInfoFlags::MINIDUMP_MISC1_PROCESS_ID.bits(),
            process_id: contents.context.process.pid,
            process_create_time: 0,
            process_user_time: 0,
            process_kernel_time: 0,
        },
    )?;
    out.raw_stream(MDStreamType::MiscInfoStream as u32, &buffer)?;
    Ok(())
}

/// The selected memory, its list, and the stacks of the threads. Returns how many ranges could not be
/// read any more.
pub fn memory(out: &mut Layout<'_>, contents: &DumpContents<'_>, threads: &[ThreadRow]) -> Result<usize, StreamError> {
    let mut written: Vec<(AddrRange, u32)> = Vec::with_capacity(contents.selection.ranges.len());
    let mut piece = vec![0; PIECE as usize];
    let mut lost = 0;
    out.align()?;
    for &range in &contents.selection.ranges {
        let mut at = range.start;
        while at < range.end {
            let len = (range.end.0 - at.0).min(PIECE);
            let Some(bytes) = piece.get_mut(..len as usize) else {
                break;
            };
            if contents.memory.read(at, bytes).is_err() {
                lost += 1;
                break;
            }
            let piece = AddrRange::new(at, len);
            for zeroed in ranges::overlapping(contents.zeroed, piece) {
                let (from, to) = (zeroed.start.max(piece.start), zeroed.end.min(piece.end));
                if let Some(part) = bytes.get_mut((from.0 - at.0) as usize..(to.0 - at.0) as usize) {
                    part.fill(0);
                }
            }
            let location = out.append(bytes)?;
            match written.last_mut() {
                // Pieces of one range lie side by side.
                Some((last, _)) if last.end == at => last.end = at.add(len),
                _ => written.push((AddrRange::new(at, len), location.rva)),
            }
            at = at.add(len);
        }
    }
    for row in threads {
        let Some(stack) = contents.selection.stacks.get(&row.tid) else {
            continue;
        };
        let index = written.partition_point(|(range, _)| range.end <= stack.start);
        let Some((range, rva)) = written.get(index).filter(|(range, _)| range.contains(stack.start)) else {
            continue;
        };
        let kept = AddrRange {
            start: stack.start,
            end: stack.end.min(range.end),
        };
        let offset = (kept.start.0 - range.start.0) as u32;
        out.patch(row.stack_field, &descriptor(kept, rva + offset)?)?;
    }
    list_stream(out, MDStreamType::MemoryListStream as u32, written.len(), |buffer| {
        for (range, rva) in written {
            buffer.write_all(&descriptor(range, rva)?);
        }
        Ok(())
    })?;
    Ok(lost)
}

fn descriptor(range: AddrRange, rva: u32) -> Result<Buffer, StreamError> {
    let mut buffer = Buffer::with_capacity(16);
    let memory = MDLocationDescriptor {
        data_size: range.len() as u32,
        rva,
    };
    MemoryWriter::alloc_with_val(
        &mut buffer,
        MDMemoryDescriptor {
            start_of_memory_range: range.start.0,
            memory,
        },
    )?;
    Ok(buffer)
}

/// What is mapped where, and with which permissions.
pub fn memory_info(out: &mut Layout<'_>, mappings: &[Mapping]) -> Result<(), StreamError> {
    let mut buffer = Buffer::with_capacity(16 + mappings.len() * 48);
    MemoryWriter::alloc_with_val(
        &mut buffer,
        MDMemoryInfoList {
            size_of_header: 16,
            size_of_entry: 48,
            number_of_entries: mappings.len() as u64,
        },
    )?;
    let rows = mappings.iter().map(|m| {
        let protection = match (m.read, m.write, m.execute) {
            (false, false, false) => MemoryProtection::PAGE_NOACCESS,
            (false, false, true) => MemoryProtection::PAGE_EXECUTE,
            (true, false, false) => MemoryProtection::PAGE_READONLY,
            (true, false, true) => MemoryProtection::PAGE_EXECUTE_READ,
            (_, true, false) => MemoryProtection::PAGE_READWRITE,
            (_, true, true) => MemoryProtection::PAGE_EXECUTE_READWRITE,
        };
        let kind = if m.private {
            MemoryType::MEM_PRIVATE
        } else {
            MemoryType::MEM_MAPPED
        };
        MDMemoryInfo {
            base_address: m.range.start.0,
            allocation_base: m.range.start.0,
            allocation_protection: protection.bits(),
            __alignment1: 0,
            region_size: m.range.len(),
            state: MemoryState::MEM_COMMIT.bits(),
            protection: protection.bits(),
            _type: kind.bits(),
            __alignment2: 0,
        }
    });
    MemoryArrayWriter::alloc_from_iter(&mut buffer, rows)?;
    out.raw_stream(MDStreamType::MemoryInfoListStream as u32, &buffer)?;
    Ok(())
}
