//! Dicts: combined and split tables of all supported versions.

use super::Python;
use crate::addr::Addr;
use crate::layout::{DictKeys, DictValues};
use crate::source::MemoryExt;

/// The most entries of a namespace that are searched for one name.
const MAX_SEARCH: u64 = 10_000;

/// The key table of a dict, or the one that instances of a type share.
pub(super) struct KeyTable {
    entries: Addr,
    count: u64,
    /// Bytes from one entry to the next.
    stride: u64,
    /// Offset of the key in an entry; the value follows it.
    key: u64,
}

/// Where the values of a split table are.
#[derive(Clone, Copy)]
pub(super) struct SplitValues {
    /// Address of the first pointer.
    pub values: Addr,
    /// Address of the insertion order, one byte each, going forward or backward; null where entries
    /// are in key order.
    pub order: Addr,
    /// Whether the order bytes go backward.
    pub backward: bool,
    /// How many attributes there are.
    pub count: u64,
}

impl Python<'_> {
    /// `len()` of a dict.
    pub(super) fn dict_len(&self, dict: Addr) -> Option<u64> {
        self.memory.read_u64(self.layout.offsets.dict.used.of(dict)).ok()
    }

    /// The first `max` items of a dict in its order, as addresses of key and value.
    pub(super) fn dict_items(&self, dict: Addr, max: u64) -> Option<Vec<(Addr, Addr)>> {
        let offsets = &self.layout.offsets.dict;
        let table = self.key_table(self.memory.read_addr(offsets.keys.of(dict)).ok()?)?;
        let values = self.memory.read_addr(offsets.values.of(dict)).ok()?;
        if values.is_null() {
            Some(self.combined_items(&table, max))
        } else {
            Some(self.split_items(&table, self.split_values(values)?, max))
        }
    }

    /// The value under a str key, by a linear search: the hash of a str is randomised per process.
    pub(super) fn dict_get(&self, dict: Addr, name: &str) -> Option<Addr> {
        let items = self.dict_items(dict, MAX_SEARCH)?;
        items
            .into_iter()
            .find(|&(key, _)| self.is_str(key, name))
            .map(|(_, value)| value)
    }

    fn is_str(&self, object: Addr, name: &str) -> bool {
        let max = name.chars().count() as u64;
        self.read_str(object, max)
            .is_some_and(|text| text.length == max && text.points.iter().copied().eq(name.chars().map(u32::from)))
    }

    /// A key table (`PyDictKeysObject`).
    pub(super) fn key_table(&self, keys: Addr) -> Option<KeyTable> {
        let offsets = &self.layout.offsets.dict_keys;
        let indices = offsets.indices.of(keys);
        let count = self.memory.read_u64(offsets.nentries.of(keys)).ok()?;
        let (index_bytes, has_hash) = match self.layout.behaviour.dict_keys {
            DictKeys::Size => {
                let slots = self.memory.read_u64(offsets.size_slots.of(keys)).ok()?;
                // DK_IXSIZE, Objects/dictobject.c of 3.8.
                let width = match slots {
                    0..=0xff => 1,
                    0x100..=0xffff => 2,
                    0x1_0000..=0xffff_ffff => 4,
                    _ => 8,
                };
                (slots.checked_mul(width)?, true)
            }
            DictKeys::Log2Size => {
                let log2 = self.memory.read_u8(offsets.log2_index_bytes.of(keys)).ok()?;
                // DICT_KEYS_GENERAL is 0; the other kinds hold str keys, whose hash is in the str.
                let general = self.memory.read_u8(offsets.kind.of(keys)).ok()? == 0;
                (1u64.checked_shl(u32::from(log2))?, general)
            }
        };
        let entries = indices.add(index_bytes);
        Some(if has_hash {
            KeyTable {
                entries,
                count,
                stride: 24,
                key: 8,
            }
        } else {
            KeyTable {
                entries,
                count,
                stride: 16,
                key: 0,
            }
        })
    }

    fn combined_items(&self, table: &KeyTable, max: u64) -> Vec<(Addr, Addr)> {
        let mut items = Vec::new();
        // Deleted entries have no value; a table of nothing else must end all the same.
        for index in 0..table.count.min(max.saturating_mul(2).saturating_add(64)) {
            let at = table.entries.add(index.wrapping_mul(table.stride)).add(table.key);
            let Ok(pair) = self.memory.read_array::<16>(at) else {
                break;
            };
            let [key, value] = pair.as_chunks::<8>().0 else { break };
            let (key, value) = (Addr(u64::from_le_bytes(*key)), Addr(u64::from_le_bytes(*value)));
            if !value.is_null() && !key.is_null() {
                items.push((key, value));
            }
            if items.len() as u64 >= max {
                break;
            }
        }
        items
    }

    /// The items of a table whose values lie elsewhere.
    pub(super) fn split_items(&self, table: &KeyTable, split: SplitValues, max: u64) -> Vec<(Addr, Addr)> {
        let mut items = Vec::new();
        for position in 0..split.count.min(table.count).min(max) {
            let index = match (split.order.is_null(), split.backward) {
                (true, _) => Ok(position),
                (false, true) => self.memory.read_u8(split.order.sub(position)).map(u64::from),
                (false, false) => self.memory.read_u8(split.order.add(position)).map(u64::from),
            };
            let Ok(index) = index else { break };
            let key = self.read_or_null(table.entries.add(index * table.stride).add(table.key));
            let value = self.read_or_null(split.values.add(index * 8));
            if !key.is_null() && !value.is_null() {
                items.push((key, value));
            }
        }
        items
    }

    /// Where the values at `values` are, as `ma_values` or an instance points to them.
    pub(super) fn split_values(&self, values: Addr) -> Option<SplitValues> {
        let offsets = &self.layout.offsets.dict_values;
        match self.layout.behaviour.dict_values {
            DictValues::Array => Some(SplitValues {
                values,
                order: Addr::NULL,
                backward: false,
                count: u64::MAX,
            }),
            DictValues::Struct if offsets.capacity.is_present() => {
                let capacity = self.memory.read_u8(offsets.capacity.of(values)).ok()?;
                let count = self.memory.read_u8(offsets.count.of(values)).ok()?;
                let first = offsets.values.of(values);
                let order = first.add(u64::from(capacity) * 8);
                Some(SplitValues {
                    values: first,
                    order,
                    backward: false,
                    count: u64::from(count),
                })
            }
            DictValues::Struct => {
                // Before the values: [-1] size of the prefix, [-2] how many are used, then the order
                // (Include/internal/pycore_dict.h of 3.11, `_PyDictValues_AddToInsertionOrder`).
                let count = self.memory.read_u8(values.sub(2)).ok()?;
                Some(SplitValues {
                    values: offsets.values.of(values),
                    order: values.sub(3),
                    backward: true,
                    count: u64::from(count),
                })
            }
        }
    }
}
