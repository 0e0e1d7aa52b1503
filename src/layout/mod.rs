//! Where CPython's fields lie, and how that version behaves.
//!
//! [`Offsets`] holds the *where*, resolved per field from several providers; [`Behaviour`] holds the
//! *how*, closed enums that the walkers match on. [`Layout`] is both, for one build.
//!
//! Invariant: this is the only folder that compares Python versions; nothing here walks objects.

mod asyncio;
mod builtin;
mod debug_offsets;
mod dwarf;
mod inspect;
mod interpreter;
mod opcodes;
mod resolve;
mod schema;
mod support_matrix;
mod table_type;
mod version_text;
mod versions;

pub use builtin::{BuiltinRow, builtin, builtin_table, format_table, parse_table, parse_version};
pub use debug_offsets::{DebugOffsets, debug_offsets_names, debug_offsets_words, read_debug_offsets};
pub use dwarf::{DwarfError, offsets_from_dwarf};
pub use inspect::{Comparison, FieldDifference, InspectedField, Inspection, VersionRequest, extensions_beside};
pub use interpreter::{InterpreterError, find_interpreter};
pub use opcodes::{Argument, Opcode, opcode, opcode_rows};
pub use resolve::resolve;
pub use schema::{Offset, Offsets};
pub use versions::{
    Anchors, Awaits, Behaviour, Bytecode, DictKeys, DictValues, Flavour, FrameRoot, InstanceDict, Instruction,
    IntFormat, LineTable, LocalSlots, NamespaceOrder, ObjectDescriptors, OrderedDictRepr, PythonVersion, RunStart,
    StackRefs, StringState, TypeNames, VERSIONS, Version, nearest_version_row, version_row,
};

use crate::addr::Addr;
use crate::source::streams::RecordedLayout;

/// One build of CPython, as far as a walk over it needs to know.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The version.
    pub version: PythonVersion,
    /// How it was configured.
    pub flavour: Flavour,
    /// Address of `_PyRuntime`.
    pub runtime: Addr,
    /// Where the image that holds it begins.
    pub image: Addr,
    /// Where the fields are.
    pub offsets: Offsets,
    /// How this version behaves.
    pub behaviour: &'static Behaviour,
    /// Which provider gave most of the offsets.
    pub provider: Provider,
    /// The file or table they came from.
    pub detail: String,
}

/// Where the offsets came from, in the words of the JSON report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Debug information of that very build.
    Dwarf,
    /// `_Py_DebugOffsets` at the start of `_PyRuntime` (3.13+), completed by the built-in row.
    DebugOffsets,
    /// The dump's own copy, made at capture.
    Dump,
    /// The built-in row of that version.
    BuiltIn,
}

impl Provider {
    /// The word of the JSON report.
    pub fn as_str(self) -> &'static str {
        match self {
            Provider::Dwarf => "dwarf",
            Provider::DebugOffsets => "debug-offsets",
            Provider::Dump => "dump",
            Provider::BuiltIn => "built-in",
        }
    }
}

impl Layout {
    /// Whether how it behaves is known: not before the final release of a version, nor of a minor version that came later
    /// than this program.
    pub fn is_known(&self) -> bool {
        self.version.is_final() && version_row(self.version).is_some()
    }

    /// Whether it can be trusted unseen. What was not made from this very build is tried first, and what is not known to
    /// behave as it is read.
    pub fn is_certain(&self) -> bool {
        match self.provider {
            Provider::Dump => true,
            Provider::Dwarf => self.is_known(),
            Provider::DebugOffsets | Provider::BuiltIn => false,
        }
    }

    /// What a dump keeps of this layout.
    pub fn to_recorded(&self) -> RecordedLayout {
        RecordedLayout {
            version_hex: self.version.0,
            debug: self.flavour.debug,
            free_threaded: self.flavour.free_threaded,
            runtime: self.runtime,
            image: self.image,
            offsets: self.offsets.to_map(),
            provider: self.provider.as_str().to_string(),
            detail: self.detail.clone(),
        }
    }

    /// The layout a dump kept; `None` for a version this program does not know.
    pub fn from_recorded(recorded: &RecordedLayout) -> Option<Layout> {
        let version = PythonVersion(recorded.version_hex);
        let flavour = Flavour {
            free_threaded: recorded.free_threaded,
            debug: recorded.debug,
        };
        Some(Layout {
            version,
            flavour,
            runtime: recorded.runtime,
            image: recorded.image,
            offsets: Offsets::from_map(&recorded.offsets),
            behaviour: nearest_version_row(version)?.behaviour_of(flavour)?,
            provider: Provider::Dump,
            detail: format!("recorded at capture, from {} ({})", recorded.provider, recorded.detail),
        })
    }
}
