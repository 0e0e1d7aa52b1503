//! Reads a process by the page, so that a walk does not cost one system call a word.

use std::cell::RefCell;
use std::collections::HashMap;

use super::memory::{Memory, ReadError};
use crate::addr::Addr;

/// Bytes of a page. Where the hardware's pages are larger, readability still changes at multiples of this.
const PAGE: u64 = 4096;
/// How many pages are fetched at once when reads go upwards, as an unwinder's do on a stack.
const READ_AHEAD: usize = 16;
/// The most bytes kept; then the cache begins anew, so that a capture stays within the memory that
/// a container has left.
const CAPACITY: usize = 16 << 20;

/// Where the pages come from.
pub trait PageSource {
    /// Reads from `start`, a multiple of 4,096, into `buf`, and returns how many bytes could be
    /// read: whole pages count, the bytes of a partial one are ignored.
    fn read_pages(&self, start: Addr, buf: &mut [u8]) -> usize;
}

/// A memory that reads whole pages from its source and answers exact reads from them.
///
/// A read that touches an unreadable page fails, and a page found unreadable stays so: what is
/// recorded through this cache is what a dump will answer.
pub struct PageCache<S> {
    source: S,
    pages: RefCell<Pages>,
}

#[derive(Default)]
struct Pages {
    /// By page number: where its bytes begin in `bytes`, or `None` where it cannot be read.
    index: HashMap<u64, Option<usize>>,
    bytes: Vec<u8>,
    /// The page that was used last.
    last: Option<(u64, usize)>,
}

impl<S: PageSource> PageCache<S> {
    /// An empty cache.
    pub fn new(source: S) -> PageCache<S> {
        PageCache {
            source,
            pages: RefCell::default(),
        }
    }
}

impl Pages {
    /// Where the bytes of a page begin in `bytes`.
    fn locate(&mut self, page: u64, source: &dyn PageSource) -> Option<usize> {
        if let Some((last, at)) = self.last
            && last == page
        {
            return Some(at);
        }
        let at = match self.index.get(&page) {
            Some(known) => (*known)?,
            None => self.fetch(page, source)?,
        };
        self.last = Some((page, at));
        Some(at)
    }

    fn fetch(&mut self, page: u64, source: &dyn PageSource) -> Option<usize> {
        if self.bytes.len() >= CAPACITY {
            self.bytes.clear();
            self.last = None;
            self.index.retain(|_, at| at.is_none());
        }
        let goes_upwards = page
            .checked_sub(1)
            .is_some_and(|p| matches!(self.index.get(&p), Some(Some(_))));
        let wanted = if goes_upwards { READ_AHEAD } else { 1 };
        let at = self.bytes.len();
        self.bytes.resize(at + wanted * PAGE as usize, 0);
        let start = Addr(page.wrapping_mul(PAGE));
        let read = match self.bytes.get_mut(at..) {
            Some(buf) => source.read_pages(start, buf),
            None => 0,
        };
        let whole = (read / PAGE as usize).min(wanted);
        self.bytes.truncate(at + whole * PAGE as usize);
        if whole == 0 {
            self.index.insert(page, None);
            return None;
        }
        for i in 0..whole {
            self.index
                .entry(page + i as u64)
                .or_insert(Some(at + i * PAGE as usize));
        }
        Some(at)
    }
}

impl<S: PageSource> Memory for PageCache<S> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let error = ReadError {
            addr,
            len: buf.len() as u64,
        };
        let pages = &mut *self.pages.borrow_mut();
        let mut done = 0;
        while done < buf.len() {
            let at = addr.0.checked_add(done as u64).ok_or(error)?;
            let offset = (at % PAGE) as usize;
            let step = (PAGE as usize - offset).min(buf.len() - done);
            let from = pages.locate(at / PAGE, &self.source).ok_or(error)? + offset;
            let source = pages.bytes.get(from..from + step).ok_or(error)?;
            buf.get_mut(done..done + step).ok_or(error)?.copy_from_slice(source);
            done += step;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemoryExt;
    use std::cell::Cell;

    /// Pages 1 to 99 can be read; every byte is its address divided by 64.
    struct Counting(Cell<u32>);

    impl PageSource for Counting {
        fn read_pages(&self, start: Addr, buf: &mut [u8]) -> usize {
            self.0.set(self.0.get() + 1);
            if start.0 < PAGE || start.0 >= 100 * PAGE {
                return 0;
            }
            for (i, byte) in buf.iter_mut().enumerate() {
                *byte = ((start.0 + i as u64) / 64) as u8;
            }
            buf.len().min((100 * PAGE - start.0) as usize)
        }
    }

    #[test]
    fn serves_exact_reads_and_fails_at_unreadable_pages() {
        let cache = PageCache::new(Counting(Cell::new(0)));
        assert_eq!(cache.read_u16(Addr(PAGE * 2 - 1)).unwrap().to_le_bytes(), [127, 128]);
        assert!(cache.read_u16(Addr(PAGE - 1)).is_err());
        assert!(cache.read_u16(Addr(PAGE * 100 - 1)).is_err());
        assert!(cache.read_u8(Addr(PAGE * 100 - 1)).is_ok());
        assert!(cache.read_u64(Addr(u64::MAX - 3)).is_err());
        assert!(cache.read(Addr(0), &mut []).is_ok());
        let calls = cache.source.0.get();
        assert!(cache.read_u16(Addr(PAGE - 1)).is_err());
        assert_eq!(cache.source.0.get(), calls, "an unreadable page was asked for again");
    }

    #[test]
    fn an_upward_walk_reads_ahead() {
        let cache = PageCache::new(Counting(Cell::new(0)));
        for word in (PAGE..90 * PAGE).step_by(8) {
            assert_eq!(cache.read_u8(Addr(word)).unwrap(), (word / 64) as u8);
        }
        assert!(cache.source.0.get() < 12, "{} calls", cache.source.0.get());
    }
}
