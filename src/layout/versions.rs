//! How each minor version of CPython behaves: one row each, as a delta on the row before.
//!
//! To add a version: add a row here, a column to the built-in table ([`super::builtin`]), and, where
//! it behaves in a new way, a variant to the enum concerned; the compiler then names every walker
//! that has to know.

use std::fmt;

/// `PY_VERSION_HEX` (Include/patchlevel.h): major, minor, micro, release level and serial.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct PythonVersion(pub u32);

impl PythonVersion {
    /// A final release.
    pub const fn release(major: u8, minor: u8, micro: u8) -> PythonVersion {
        PythonVersion((major as u32) << 24 | (minor as u32) << 16 | (micro as u32) << 8 | 0xf0)
    }
    /// The major version.
    pub fn major(self) -> u8 {
        (self.0 >> 24) as u8
    }
    /// The minor version.
    pub fn minor(self) -> u8 {
        (self.0 >> 16) as u8
    }
    /// Whether it is a final release.
    pub fn is_final(self) -> bool {
        self.0 & 0xf0 == 0xf0
    }
    /// The micro version.
    pub fn micro(self) -> u8 {
        (self.0 >> 8) as u8
    }
}

impl fmt::Display for PythonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major(), self.minor(), self.micro())?;
        match (self.0 >> 4) & 0xf {
            0xa => write!(f, "a{}", self.0 & 0xf),
            0xb => write!(f, "b{}", self.0 & 0xf),
            0xc => write!(f, "rc{}", self.0 & 0xf),
            _ => Ok(()),
        }
    }
}

/// The ways to configure CPython that move its fields or change how it behaves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Flavour {
    /// `--disable-gil`.
    pub free_threaded: bool,
    /// `--with-pydebug`.
    pub debug: bool,
}

impl Flavour {
    /// `t` and `d` behind a version, as `sys.abiflags` has them.
    pub fn from_suffix(suffix: &str) -> Option<Flavour> {
        let all = [false, true].map(|free_threaded| [false, true].map(|debug| Flavour { free_threaded, debug }));
        all.into_iter().flatten().find(|flavour| flavour.to_string() == suffix)
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.free_threaded { "t" } else { "" })?;
        f.write_str(if self.debug { "d" } else { "" })
    }
}

/// How the thread state leads to the innermost frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameRoot {
    /// `tstate->frame`, a chain of `PyFrameObject` by `f_back`.
    FrameObject,
    /// `tstate->cframe->current_frame`, a chain of `_PyInterpreterFrame` by `previous`.
    CFrame,
    /// `tstate->current_frame`, likewise.
    CurrentFrame,
}

/// How a frame names its current instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// `f_lasti`, in bytes.
    ByteOffset,
    /// `f_lasti`, in code units of two bytes (bpo-27129, 3.10).
    UnitOffset,
    /// `prev_instr`, the address of the last instruction that began; before the code where none did.
    PreviousPointer,
    /// `instr_ptr`, the address of the current instruction (3.13, gh-109214).
    Pointer,
}

/// Which frame is the first of a run of the eval loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStart {
    /// Every frame: Python calls recurse in C.
    EveryFrame,
    /// The frame whose `is_entry` is set.
    EntryFlag,
    /// The frame above a shim, a frame whose owner is at least this value and which lies on the C stack.
    ShimOwner(u8),
}

/// What ties a run of the eval loop to the C stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchors {
    /// Nothing: eval frames are told by their symbol.
    None,
    /// One `CFrame` per run, a C local, chained from `tstate->cframe`.
    CFrames,
    /// The shim frame, a C local.
    Shims,
}

/// The format of the table from instructions to lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineTable {
    /// `co_lnotab` (Objects/lnotab_notes.txt, 3.8 and 3.9).
    Lnotab,
    /// `co_linetable` of PEP 626 (3.10).
    Ranges,
    /// `co_linetable` of PEP 657, with columns (Objects/locations.md, 3.11+).
    Locations,
}

/// Where locals, cells and free variables lie in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalSlots {
    /// `co_varnames`, then `co_cellvars`, then `co_freevars`.
    NamesCellsFree,
    /// One array, described by `co_localsplusnames` and `co_localspluskinds` (3.11+).
    LocalsPlus,
}

/// How an int stores sign and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntFormat {
    /// `ob_size`, negative for a negative number.
    SignedSize,
    /// `lv_tag`: sign in the low two bits, size from bit 3 (3.12, gh-102381).
    Tag,
}

/// The header of a dict's key table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DictKeys {
    /// `dk_size` slots; entries are `{hash, key, value}`.
    Size,
    /// `1 << dk_log2_size` slots; `dk_kind` tells whether entries carry a hash (3.11, bpo-46845).
    Log2Size,
}

/// The values of a dict that shares its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DictValues {
    /// An array of pointers in key order.
    Array,
    /// `PyDictValues`, an array of pointers in key order at `values`.
    Struct,
}

/// Where an instance keeps its attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceDict {
    /// At `tp_dictoffset`.
    DictOffset,
    /// With Py_TPFLAGS_MANAGED_DICT: values pointer 4 words and dict pointer 3 words before the object.
    ManagedPair,
    /// One word, 3 words before the object: with bit 0 set the values (plus one), else the dict.
    ManagedTagged,
    /// The dict pointer this many bytes before the object (MANAGED_DICT_OFFSET,
    /// Include/internal/pycore_object.h); without one, with Py_TPFLAGS_INLINE_VALUES, the values lie right
    /// behind the object (`tp_basicsize`).
    Inline(u64),
}

/// Which bits of a str's `state` tell how it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StringState {
    /// From bit 2 on, behind two bits of `interned`.
    BitField,
    /// From bit 8 on, behind a byte of `interned` (free-threaded 3.14+, gh-120384).
    InternedByte,
}

/// Which copy of a function's instructions a frame runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bytecode {
    /// The only one, in the code object.
    Shared,
    /// The one that `tlbc_index` of the frame picks of `co_tlbc` (free-threaded 3.14+, gh-115999).
    PerThread,
}

/// How a frame refers to objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackRefs {
    /// By pointers.
    Pointers,
    /// By `_PyStackRef`, whose low two bits are a tag (Include/internal/pycore_stackref.h, 3.14+). Free-threaded
    /// 3.14 uses one bit of them for objects, and both for integers alike.
    Tagged,
}

/// How messages name the types of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeNames {
    /// By `tp_name`, which for classes has no module.
    Short,
    /// With module and `__qualname__` (3.13, gh-111696).
    Full,
}

/// What an OrderedDict prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderedDictRepr {
    /// A list of pairs.
    Pairs,
    /// A dict (3.12, gh-101446).
    Dict,
}

/// In which order a SimpleNamespace prints its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamespaceOrder {
    /// Sorted.
    Sorted,
    /// As they were set (3.9, bpo-39075).
    Insertion,
}

/// What a descriptor of `object` itself says of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectDescriptors {
    /// `<slot wrapper '__init__' of 'object' objects>`.
    Named,
    /// `<slot wrapper '__init__'>` (3.15: instances of all classes share some of them).
    Unnamed,
}

/// How a suspended generator tells what it delegates to, and where that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaits {
    /// The next instruction is YIELD_FROM; on top of the stack of its `PyFrameObject`.
    YieldFrom,
    /// The next instruction is RESUME with an argument that says so; on top of its stack (3.11, bpo-46961).
    ResumeArgument,
    /// `gi_frame_state` says so (3.13).
    State {
        /// The first and the last state of a generator that does not run and is not over.
        suspended: (i8, i8),
        /// The first and the last state of one that delegates.
        delegating: (i8, i8),
        /// Where on its stack: 1 is the top.
        depth: u64,
    },
}

impl Awaits {
    /// Whether a generator with this `gi_frame_state` has a frame that does not run (Include/internal/pycore_frame.h,
    /// `enum _framestate`).
    pub fn is_suspended(self, state: i8) -> bool {
        match self {
            // FRAME_CREATED is -2, FRAME_SUSPENDED -1.
            Awaits::YieldFrom | Awaits::ResumeArgument => (-2..=-1).contains(&state),
            Awaits::State { suspended, .. } => (suspended.0..=suspended.1).contains(&state),
        }
    }
}

macro_rules! behaviour {
    ($(#[$meta:meta])* pub struct $Name:ident { $( pub $field:ident: $Type:ty, )* }) => {
        $(#[$meta])*
        pub struct $Name { $( pub $field: $Type, )* }

        impl $Name {
            /// Each aspect and how this version has it, by name, in the order of declaration.
            pub fn aspects(&self) -> Vec<(&'static str, String)> {
                vec![$( (stringify!($field), format!("{:?}", self.$field)), )*]
            }
        }
    };
}

behaviour! {
    /// How one minor version behaves.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[allow(missing_docs, reason = "each field's type says it")]
    pub struct Behaviour {
        pub frame_root: FrameRoot,
        pub instruction: Instruction,
        pub run_start: RunStart,
        pub anchors: Anchors,
        pub line_table: LineTable,
        pub local_slots: LocalSlots,
        pub int_format: IntFormat,
        pub dict_keys: DictKeys,
        pub dict_values: DictValues,
        pub instance_dict: InstanceDict,
        pub stack_refs: StackRefs,
        pub type_names: TypeNames,
        pub ordered_dict: OrderedDictRepr,
        pub namespace_order: NamespaceOrder,
        pub object_descriptors: ObjectDescriptors,
        pub string_state: StringState,
        pub bytecode: Bytecode,
        pub awaits: Awaits,
    }
}

/// One supported minor version.
#[derive(Debug)]
pub struct Version {
    /// The minor version of Python 3.
    pub minor: u8,
    /// How it behaves.
    pub behaviour: &'static Behaviour,
    /// How it behaves when compiled with `--disable-gil`; `None` before that was possible (PEP 703).
    pub free_threaded: Option<&'static Behaviour>,
}

impl Version {
    /// How a build of that version behaves; `None` where there are no such builds.
    pub fn behaviour_of(&self, flavour: Flavour) -> Option<&'static Behaviour> {
        if flavour.free_threaded {
            self.free_threaded
        } else {
            Some(self.behaviour)
        }
    }
}

const V3_8: Behaviour = Behaviour {
    frame_root: FrameRoot::FrameObject,
    instruction: Instruction::ByteOffset,
    run_start: RunStart::EveryFrame,
    anchors: Anchors::None,
    line_table: LineTable::Lnotab,
    local_slots: LocalSlots::NamesCellsFree,
    int_format: IntFormat::SignedSize,
    dict_keys: DictKeys::Size,
    dict_values: DictValues::Array,
    instance_dict: InstanceDict::DictOffset,
    stack_refs: StackRefs::Pointers,
    type_names: TypeNames::Short,
    ordered_dict: OrderedDictRepr::Pairs,
    namespace_order: NamespaceOrder::Sorted,
    object_descriptors: ObjectDescriptors::Named,
    string_state: StringState::BitField,
    bytecode: Bytecode::Shared,
    awaits: Awaits::YieldFrom,
};

const V3_9: Behaviour = Behaviour {
    namespace_order: NamespaceOrder::Insertion,
    ..V3_8
};

const V3_10: Behaviour = Behaviour {
    instruction: Instruction::UnitOffset,
    anchors: Anchors::CFrames,
    line_table: LineTable::Ranges,
    ..V3_9
};

const V3_11: Behaviour = Behaviour {
    frame_root: FrameRoot::CFrame,
    instruction: Instruction::PreviousPointer,
    run_start: RunStart::EntryFlag,
    line_table: LineTable::Locations,
    local_slots: LocalSlots::LocalsPlus,
    dict_keys: DictKeys::Log2Size,
    dict_values: DictValues::Struct,
    instance_dict: InstanceDict::ManagedPair,
    awaits: Awaits::ResumeArgument,
    ..V3_10
};

const V3_12: Behaviour = Behaviour {
    run_start: RunStart::ShimOwner(3),
    anchors: Anchors::Shims,
    int_format: IntFormat::Tag,
    instance_dict: InstanceDict::ManagedTagged,
    ordered_dict: OrderedDictRepr::Dict,
    ..V3_11
};

const V3_13: Behaviour = Behaviour {
    frame_root: FrameRoot::CurrentFrame,
    instruction: Instruction::Pointer,
    type_names: TypeNames::Full,
    instance_dict: InstanceDict::Inline(24),
    awaits: Awaits::State {
        suspended: (-3, -1),
        delegating: (-1, -1),
        depth: 1,
    },
    ..V3_12
};

const V3_13T: Behaviour = Behaviour {
    instance_dict: InstanceDict::Inline(8),
    ..V3_13
};

const V3_14: Behaviour = Behaviour {
    stack_refs: StackRefs::Tagged,
    ..V3_13
};

const V3_14T: Behaviour = Behaviour {
    stack_refs: V3_14.stack_refs,
    string_state: StringState::InternedByte,
    bytecode: Bytecode::PerThread,
    ..V3_13T
};

const V3_15: Behaviour = Behaviour {
    object_descriptors: ObjectDescriptors::Unnamed,
    awaits: Awaits::State {
        suspended: (0, 3),
        delegating: (2, 3),
        depth: 2,
    },
    ..V3_14
};

const V3_15T: Behaviour = Behaviour {
    object_descriptors: V3_15.object_descriptors,
    awaits: V3_15.awaits,
    ..V3_14T
};

/// Every supported version, oldest first.
pub const VERSIONS: &[Version] = &[
    Version {
        minor: 8,
        behaviour: &V3_8,
        free_threaded: None,
    },
    Version {
        minor: 9,
        behaviour: &V3_9,
        free_threaded: None,
    },
    Version {
        minor: 10,
        behaviour: &V3_10,
        free_threaded: None,
    },
    Version {
        minor: 11,
        behaviour: &V3_11,
        free_threaded: None,
    },
    Version {
        minor: 12,
        behaviour: &V3_12,
        free_threaded: None,
    },
    Version {
        minor: 13,
        behaviour: &V3_13,
        free_threaded: Some(&V3_13T),
    },
    Version {
        minor: 14,
        behaviour: &V3_14,
        free_threaded: Some(&V3_14T),
    },
    Version {
        minor: 15,
        behaviour: &V3_15,
        free_threaded: Some(&V3_15T),
    },
];

/// The row that a version is read by: its own, or for one later than all here the last, which it may differ from.
pub fn nearest_version_row(version: PythonVersion) -> Option<&'static Version> {
    let last = VERSIONS
        .last()
        .filter(|row| version.major() == 3 && version.minor() > row.minor);
    version_row(version).or(last)
}

/// The row of a version; `None` where that minor version is not supported.
pub fn version_row(version: PythonVersion) -> Option<&'static Version> {
    (version.major() == 3).then(|| VERSIONS.iter().find(|row| row.minor == version.minor()))?
}
