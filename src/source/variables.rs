//! Variables of native frames, as debug information describes them: plain data, kept in dumps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::addr::Addr;

/// The variables of one native frame.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecordedVariables {
    /// Its program counter.
    pub pc: Addr,
    /// Its canonical frame address.
    pub cfa: Addr,
    /// Of the functions there, inlined ones before the one they are inlined into.
    pub functions: Vec<Vec<NativeVariable>>,
    /// Where the code of the function begins, and its length in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<(Addr, u64)>,
}

/// The structures of which instances of Python types written in C consist, by the address of the type.
pub type RecordedStructures = BTreeMap<Addr, NativeType>;

/// One variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NativeVariable {
    /// Its name.
    pub name: String,
    /// Whether it is a parameter.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_argument: bool,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: NativeType,
    /// Where its value is.
    pub place: Place,
    /// The register that holds it, by DWARF number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register: Option<u16>,
}

/// Where a value is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// In memory.
    Memory(Addr),
    /// It was in registers, or is a constant: its bytes.
    Bytes(Vec<u8>),
    /// Nowhere: the compiler left it out, or it was in a register that a call has changed since.
    Nowhere,
    /// Left out at capture, by the rules of redaction.
    Redacted,
}

/// A type of C, C++ or Rust as far as values of it are shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NativeType {
    /// As declared: `const char *`, `Py_ssize_t`, `struct point`.
    pub name: String,
    /// Bytes of a value.
    pub size: u64,
    /// What it consists of.
    #[serde(default)]
    pub form: Form,
}

/// What a type consists of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A signed integer.
    Signed,
    /// An unsigned integer.
    Unsigned,
    /// A truth value.
    Bool,
    /// A character of one byte.
    Char,
    /// A floating-point number of 4 or 8 bytes.
    Float,
    /// An enumeration, by value.
    Enum(Vec<(i64, String)>),
    /// The address of a Python object.
    Object,
    /// The address of characters that end with a NUL.
    Text,
    /// A structure that holds the address of characters and their number: where in it these two words are.
    String {
        /// Of the address.
        address: u64,
        /// Of the number.
        length: u64,
    },
    /// The address of code.
    Code,
    /// The address of something else; its type where that is to be shown.
    Pointer(Option<Box<NativeType>>),
    /// A structure or union; its members.
    Struct(Vec<Member>),
    /// Items of one type, and how many.
    Array(Box<NativeType>, u64),
    /// A member that was left out at capture, by the rules of redaction.
    Redacted,
    /// Something that is not shown.
    #[default]
    Other,
}

/// A member of a structure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Its name; empty where it has none.
    pub name: String,
    /// Its first byte.
    pub offset: u64,
    /// Of a bit field: its lowest bit, counted from the first of that byte, and how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<(u64, u64)>,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: NativeType,
}
