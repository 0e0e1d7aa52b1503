//! The instruction that faulted.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Address;

/// The instruction that the processor could not carry out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Instruction {
    /// Where it is: the program counter at the fault.
    pub address: Address,
    /// In Intel's syntax, for example `mov rax, [rdi+0x18]`; absent where its bytes are missing or are no instruction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its bytes, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
    /// The access to memory that faulted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<MemoryAccess>,
    /// The registers that its address is made of, the base first; without an access, the general registers that the
    /// instruction reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registers: Vec<Register>,
}

/// An access to memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct MemoryAccess {
    /// What was tried.
    pub kind: AccessKind,
    /// What the address is made of, for example `[rdi+0x18]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operand: Option<String>,
    /// What is added to the registers, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub displacement: Option<i64>,
    /// The address, computed from the registers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// How many bytes from there on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Whether that explains the fault: the address that the kernel gave lies within, or, where the processor gave
    /// none, no address can be like this one (it is not canonical). Absent where neither can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explains_fault: Option<bool>,
}

/// What an instruction does with memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum AccessKind {
    /// It reads.
    #[default]
    Read,
    /// It writes.
    Write,
    /// It reads and writes back.
    ReadWrite,
    /// It takes its next instruction from there.
    Execute,
    /// A word this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// A register and what was in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Register {
    /// Its name, for example `rdi`.
    pub name: String,
    /// All of its bits.
    pub value: Address,
}
