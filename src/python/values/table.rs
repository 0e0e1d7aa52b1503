// table
//! Which type has which renderer.

use super::super::object::{TypeInfo, type_flags};
use super::printer::{Printer, Subject};
use super::{
    callables, classes, collections, containers, ctypes, dates, enums, exceptions, locks, modules, numbers, numpy,
    objects, paths, regex, strings, tasks, tuples, typing, views,
};
use crate::layout::{Offset, Offsets};

/// Prints one object; `None` where it does not hold together.
pub type Print = fn(&mut Printer<'_, '_>, Subject<'_>) -> Option<String>;

/// Where the length of a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// It has none.
    None,
    /// `ob_size`.
    Items,
    /// The characters of a str.
    Characters,
    /// The items of a dict.
    Dict,
    /// The items of a set.
    Set,
    /// The first dimension of an array.
    Shape,
}

/// Whether attributes are shown beside the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attributes {
    /// They are.
    Shown,
    /// The text says all of them, or they are definitions.
    Hidden,
}

/// A type written in C.
pub struct Row {
    /// Its `tp_name`.
    pub name: &'static str,
    /// Where its length stands.
    pub length: Length,
    /// Whether its attributes are shown.
    pub attributes: Attributes,
    /// The size its instances have if the layout is the known one.
    pub size: Option<fn(&Offsets) -> Offset>,
    /// Its renderer.
    pub print: Print,
}

impl Row {
    /// Whether values of the type are definitions: modules, classes, functions and what belongs to them.
    pub fn is_definition(&self) -> bool {
        self.attributes == Attributes::Hidden
    }
}

/// A `__repr__` written in Python, in the standard library.
pub struct PythonRow {
    /// The module that defines it.
    pub module: &'static str,
    /// Its `__qualname__`.
    pub qualname: &'static str,
    /// Whether attributes are shown beside the text.
    pub attributes: Attributes,
    /// Does the same.
    pub print: Print,
}

const fn row(name: &'static str, length: Length, print: Print) -> Row {
    Row {
        name,
        length,
        attributes: Attributes::Shown,
        size: None,
        print,
    }
}

const fn sized(name: &'static str, length: Length, size: fn(&Offsets) -> Offset, print: Print) -> Row {
    Row {
        name,
        length,
        attributes: Attributes::Shown,
        size: Some(size),
        print,
    }
}

/// A type whose attributes are definitions.
const fn definition(name: &'static str, print: Print) -> Row {
    Row {
        name,
        length: Length::None,
        attributes: Attributes::Hidden,
        size: None,
        print,
    }
}

const fn python(module: &'static str, qualname: &'static str, attributes: Attributes, print: Print) -> PythonRow {
    PythonRow {
        module,
        qualname,
        attributes,
        print,
    }
}

/// The row of exactly this type. Names without a module belong to CPython's own types, which are not on the heap.
pub fn row_of(info: &TypeInfo) -> Option<&'static Row> {
    let is_own = info.tp_name.contains('.') || !info.has(type_flags::HEAP_TYPE);
    let own = ROWS.iter().find(|row| row.name == info.tp_name && is_own);
    own.or_else(|| numpy::row_of(&info.tp_name))
}

/// The row of a `__repr__` of the standard library.
pub fn python_row(module: &str, qualname: &str) -> Option<&'static PythonRow> {
    PYTHON_ROWS
        .iter()
        .find(|row| row.module == module && row.qualname == qualname)
}

/// `tp_repr` of all named tuples written in C.
pub static STRUCTSEQ: Row = row("structseq", Length::Items, tuples::structseq);
/// The `__repr__` that `collections.namedtuple` makes.
pub static NAMEDTUPLE: PythonRow = python("collections", "namedtuple", Attributes::Hidden, tuples::namedtuple);
/// The `__repr__` that `dataclasses.dataclass` makes.
pub static DATACLASS: PythonRow = python("dataclasses", "dataclass", Attributes::Shown, classes::dataclass);

static ROWS: &[Row] = &[
    // Objects/
    row("NoneType", Length::None, |_, _| Some("None".to_string())),
    row("ellipsis", Length::None, |_, _| Some("Ellipsis".to_string())),
    row("NotImplementedType", Length::None, |_, _| {
        Some("NotImplemented".to_string())
    }),
    row("int", Length::None, numbers::int),
    row("bool", Length::None, numbers::boolean),
    row("float", Length::None, numbers::float),
    row("complex", Length::None, numbers::complex),
    row("str", Length::Characters, strings::str),
    row("bytes", Length::Items, strings::bytes),
    row("bytearray", Length::Items, strings::bytearray),
    row("memoryview", Length::None, strings::memoryview),
    row("list", Length::Items, containers::list),
    row("tuple", Length::Items, containers::tuple),
    row("dict", Length::Dict, containers::dict),
    row("frozendict", Length::Dict, containers::frozendict),
    row("set", Length::Set, containers::set),
    row("frozenset", Length::Set, containers::set),
    row("range", Length::None, containers::range),
    row("slice", Length::None, containers::slice),
    row("mappingproxy", Length::None, views::mappingproxy),
    row("dict_keys", Length::None, views::dict_keys),
    row("dict_values", Length::None, views::dict_values),
    row("dict_items", Length::None, views::dict_items),
    row("BaseException", Length::None, exceptions::exception),
    row("ImportError", Length::None, exceptions::import_error),
    row("BaseExceptionGroup", Length::None, exceptions::group),
    definition("type", objects::class),
    definition("function", callables::function),
    definition("method", callables::bound_method),
    definition("builtin_function_or_method", callables::builtin),
    definition("builtin_method", callables::builtin),
    definition("method-wrapper", callables::method_wrapper),
    definition("wrapper_descriptor", callables::slot_wrapper),
    definition("method_descriptor", callables::method_descriptor),
    definition("classmethod_descriptor", callables::method_descriptor),
    definition("member_descriptor", callables::member_descriptor),
    definition("getset_descriptor", callables::getset_descriptor),
    definition("classmethod", callables::class_method),
    definition("staticmethod", callables::static_method),
    definition("module", modules::module),
    definition("code", objects::code),
    definition("frame", objects::frame),
    definition("cell", objects::cell),
    definition("generator", objects::generator),
    definition("coroutine", objects::generator),
    definition("async_generator", objects::generator),
    row("types.SimpleNamespace", Length::Dict, classes::namespace),
    row("types.GenericAlias", Length::None, typing::generic_alias),
    row("types.UnionType", Length::None, typing::union),
    row("typing.Union", Length::None, typing::union),
    definition("weakref", objects::weakref),
    definition("weakref.ReferenceType", objects::weakref),
    definition("weakproxy", objects::weakproxy),
    definition("weakref.ProxyType", objects::weakproxy),
    definition("weakcallableproxy", objects::weakproxy),
    definition("weakref.CallableProxyType", objects::weakproxy),
    sized(
        "collections.OrderedDict",
        Length::Dict,
        |o| o.ordered_dict.size,
        collections::ordered_dict,
    ),
    // Modules/
    sized("collections.deque", Length::Items, |o| o.deque.size, collections::deque),
    sized(
        "collections.defaultdict",
        Length::Dict,
        |o| o.defaultdict.size,
        collections::defaultdict,
    ),
    sized(
        "functools.partial",
        Length::None,
        |o| o.partial.size,
        callables::partial,
    ),
    sized("_thread.lock", Length::None, |o| o.lock.size, locks::lock),
    sized("_thread.RLock", Length::None, |o| o.rlock.size, locks::rlock),
    sized("re.Pattern", Length::None, |o| o.pattern.size, regex::pattern),
    sized("re.Match", Length::None, |o| o.match_object.size, regex::found),
    sized(
        "datetime.timedelta",
        Length::None,
        |o| o.timedelta.size,
        dates::timedelta,
    ),
    sized("datetime.date", Length::None, |o| o.date.size, dates::date),
    sized("datetime.datetime", Length::None, |o| o.datetime.size, dates::datetime),
    sized("datetime.time", Length::None, |o| o.time.size, dates::time),
    sized("datetime.timezone", Length::None, |o| o.timezone.size, dates::timezone),
    sized("decimal.Decimal", Length::None, |o| o.decimal.size, numbers::decimal),
    sized("array.array", Length::Items, |o| o.array.size, strings::array),
    sized(
        "_ctypes._SimpleCData",
        Length::None,
        |o| o.ctypes_data.size,
        ctypes::simple,
    ),
    sized("_asyncio.Task", Length::None, |o| o.task.size, tasks::task),
    sized("_asyncio.Future", Length::None, |o| o.future.size, tasks::future),
    definition("_ctypes.CFuncPtr", ctypes::function),
    definition("_ctypes.PyCFuncPtr", ctypes::function),
];

static PYTHON_ROWS: &[PythonRow] = &[
    python("ctypes", "c_char_p.__repr__", Attributes::Hidden, ctypes::pointer),
    python("ctypes", "c_wchar_p.__repr__", Attributes::Hidden, ctypes::pointer),
    python("ctypes", "py_object.__repr__", Attributes::Hidden, ctypes::object),
    python(
        "collections",
        "Counter.__repr__",
        Attributes::Hidden,
        collections::counter,
    ),
    python(
        "collections",
        "ChainMap.__repr__",
        Attributes::Hidden,
        collections::chain_map,
    ),
    python(
        "collections",
        "UserDict.__repr__",
        Attributes::Hidden,
        collections::user,
    ),
    python(
        "collections",
        "UserList.__repr__",
        Attributes::Hidden,
        collections::user,
    ),
    python(
        "collections",
        "UserString.__repr__",
        Attributes::Hidden,
        collections::user,
    ),
    python("enum", "Enum.__repr__", Attributes::Hidden, enums::member),
    python("enum", "Flag.__repr__", Attributes::Hidden, enums::flag),
    python("enum", "global_enum_repr", Attributes::Hidden, enums::global_member),
    python("enum", "global_flag_repr", Attributes::Hidden, enums::global_flag),
    python("enum", "EnumMeta.__repr__", Attributes::Hidden, enums::class),
    python("enum", "EnumType.__repr__", Attributes::Hidden, enums::class),
    python("fractions", "Fraction.__repr__", Attributes::Hidden, numbers::fraction),
    python("uuid", "UUID.__repr__", Attributes::Hidden, paths::uuid),
    python("pathlib", "PurePath.__repr__", Attributes::Hidden, paths::path),
    python("pathlib._local", "PurePath.__repr__", Attributes::Hidden, paths::path),
    python("threading", "Event.__repr__", Attributes::Hidden, locks::event),
    python("threading", "Condition.__repr__", Attributes::Hidden, locks::condition),
    python("threading", "Semaphore.__repr__", Attributes::Hidden, locks::semaphore),
    python(
        "threading",
        "BoundedSemaphore.__repr__",
        Attributes::Hidden,
        locks::bounded_semaphore,
    ),
    python("threading", "Thread.__repr__", Attributes::Hidden, locks::thread),
    python(
        "concurrent.futures._base",
        "Future.__repr__",
        Attributes::Hidden,
        tasks::concurrent_future,
    ),
];
