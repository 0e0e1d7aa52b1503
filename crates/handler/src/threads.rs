//! `pthread_create(3)` with an alternate signal stack for the new thread.
//!
//! The starting function and its argument travel at the upper end of the new thread's alternate stack, so no memory
//! has to be found for them. The trampoline jumps to the starting function instead of calling it: the thread's stack
//! looks as it does without this library.

use core::arch::global_asm;
use core::ffi::{c_int, c_void};
use core::mem::{size_of, transmute};
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::sys::errno;
use crate::{altstack, handler, image, syscall};

/// A thread's starting function.
pub type Start = unsafe extern "C" fn(*mut c_void) -> *mut c_void;

type Create = unsafe extern "C" fn(*mut c_void, *const c_void, Start, *mut c_void) -> c_int;
type KeyCreate = unsafe extern "C" fn(*mut u32, unsafe extern "C" fn(*mut c_void)) -> c_int;
type SetSpecific = unsafe extern "C" fn(u32, *const c_void) -> c_int;

/// What a new thread needs, and what the trampoline gets back in rax and rdx.
#[repr(C)]
#[derive(Clone, Copy)]
struct Entry {
    start: Start,
    argument: *mut c_void,
}

/// Addresses of libc's functions, 0 until looked up. The lookup gives the same answer to every thread that tries.
static CREATE: AtomicUsize = AtomicUsize::new(0);
static SET_SPECIFIC: AtomicUsize = AtomicUsize::new(0);

/// The thread-specific key whose destructor frees the stack: [`KEY_UNMADE`], being made, unavailable, or made.
static KEY_STATE: AtomicU32 = AtomicU32::new(KEY_UNMADE);
static KEY: AtomicU32 = AtomicU32::new(0);
const KEY_UNMADE: u32 = 0;
const KEY_BEING_MADE: u32 = 1;
const KEY_MADE: u32 = 2;
const KEY_UNAVAILABLE: u32 = 3;

fn look_up(cell: &AtomicUsize, name: &[u8]) -> usize {
    let mut address = cell.load(Ordering::Relaxed);
    if address == 0 {
        address = image::next_definition(create as *const () as usize, name);
        cell.store(address, Ordering::Relaxed);
    }
    address
}

/// Makes the key on first use rather than in the constructor, which may run before libc has initialised itself.
fn key_is_ready() -> bool {
    // Bounded: the thread that was making it may not exist in this process, if another one forked meanwhile.
    for _ in 0..1000 {
        match KEY_STATE.compare_exchange(KEY_UNMADE, KEY_BEING_MADE, Ordering::Acquire, Ordering::Acquire) {
            Ok(_) => return make_key(),
            Err(KEY_BEING_MADE) => {
                // SAFETY: takes no pointer.
                unsafe { syscall!(SCHED_YIELD) };
            }
            Err(state) => return state == KEY_MADE,
        }
    }
    false
}

fn make_key() -> bool {
    let key_create = image::next_definition(create as *const () as usize, b"pthread_key_create");
    let mut key = 0u32;
    let made = key_create != 0
        && look_up(&SET_SPECIFIC, b"pthread_setspecific") != 0
        // SAFETY: pthread_key_create(3) has this signature; `release` is the destructor of a key of ours alone.
        && unsafe { transmute::<usize, KeyCreate>(key_create)(&raw mut key, release) } == 0;
    KEY.store(key, Ordering::Relaxed);
    KEY_STATE.store(if made { KEY_MADE } else { KEY_UNAVAILABLE }, Ordering::Release);
    made
}

/// Does what pthread_create(3) does; the new thread starts with an alternate signal stack where that is possible.
///
/// # Safety
/// The same as for pthread_create(3).
pub unsafe fn create(thread: *mut c_void, attributes: *const c_void, start: Start, argument: *mut c_void) -> c_int {
    let next = look_up(&CREATE, b"pthread_create");
    if next == 0 {
        return errno::EAGAIN as c_int;
    }
    // SAFETY: the next definition of pthread_create has its signature.
    let next = unsafe { transmute::<usize, Create>(next) };
    let size = altstack::size();
    if handler::is_active()
        && key_is_ready()
        && let Some(base) = altstack::take(size)
    {
        let entry = (base + size - size_of::<Entry>()) as *mut Entry;
        // SAFETY: `entry` lies inside a stack that nobody uses; the trampoline takes it over unless the thread cannot start.
        unsafe {
            entry.write(Entry { start, argument });
            let result = next(thread, attributes, coldframe_thread_start, entry.cast());
            if result != 0 {
                altstack::give_back(base, size);
            }
            return result;
        }
    }
    // SAFETY: the caller's own arguments.
    unsafe { next(thread, attributes, start, argument) }
}

/// First code of the new thread: puts its alternate stack in force and tells the trampoline where to go.
unsafe extern "C" fn prepare(entry: *mut Entry) -> Entry {
    let size = altstack::size();
    let base = entry as usize + size_of::<Entry>() - size;
    // SAFETY: `create` made the mapping and the entry for this thread alone.
    unsafe {
        let copy = *entry;
        if altstack::enable(base, size) {
            let set = transmute::<usize, SetSpecific>(SET_SPECIFIC.load(Ordering::Relaxed));
            set(KEY.load(Ordering::Relaxed), base as *const c_void);
        } else {
            altstack::give_back(base, size);
        }
        copy
    }
}

/// Destructor of the key, run by libc at the end of the thread.
unsafe extern "C" fn release(base: *mut c_void) {
    // When another stack is in force, whoever replaced ours may have unmapped it (AddressSanitizer does), and the
    // addresses may belong to someone else by now: leak 48 KiB rather than unmap what is not ours.
    if altstack::disable(base as usize) {
        // SAFETY: mapped by `create`, just taken out of force.
        unsafe { altstack::give_back(base as usize, altstack::size()) };
    }
}

unsafe extern "C" {
    fn coldframe_thread_start(entry: *mut c_void) -> *mut c_void;
}

// rdi: the entry. The System V ABI returns the two words of an Entry in rax and rdx.
global_asm!(
    ".hidden coldframe_thread_start",
    ".globl coldframe_thread_start",
    ".type coldframe_thread_start, @function",
    "coldframe_thread_start:",
    ".cfi_startproc",
    "sub rsp, 8",
    ".cfi_adjust_cfa_offset 8",
    "call {prepare}",
    "add rsp, 8",
    ".cfi_adjust_cfa_offset -8",
    "mov rdi, rdx",
    "jmp rax",
    ".cfi_endproc",
    ".size coldframe_thread_start, . - coldframe_thread_start",
    prepare = sym prepare,
);
