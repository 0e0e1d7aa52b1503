// table
//! The fields of CPython's structures that coldframe reads: the one list behind typed access, DWARF
//! look-up, the built-in table, the cache and the copy in a dump.

use std::collections::BTreeMap;
use std::fmt;

use crate::addr::Addr;

/// Offset of a field in its structure (or size of a structure), in bytes; absent where that build
/// has no such field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Offset(u32);

impl Offset {
    /// The field does not exist in this build, or no provider knows it.
    pub const ABSENT: Offset = Offset(u32::MAX);
    /// No structure is larger; a larger "offset" is corrupt input.
    const LIMIT: u32 = 1 << 24;

    /// An offset in bytes; absurd ones are absent.
    pub fn new(bytes: u64) -> Offset {
        match u32::try_from(bytes) {
            Ok(bytes) if bytes < Offset::LIMIT => Offset(bytes),
            _ => Offset::ABSENT,
        }
    }

    /// Whether the field exists.
    pub fn is_present(self) -> bool {
        self != Offset::ABSENT
    }

    /// The offset in bytes.
    pub fn bytes(self) -> Option<u64> {
        self.is_present().then_some(u64::from(self.0))
    }

    /// The address of the field in the structure at `base`. For an absent field or a null structure
    /// this is the null address, which no process can read: the walk ends there as at any bad pointer.
    pub fn of(self, base: Addr) -> Addr {
        match self.bytes() {
            Some(bytes) if !base.is_null() => base.add(bytes),
            _ => Addr::NULL,
        }
    }
}

impl Default for Offset {
    fn default() -> Offset {
        Offset::ABSENT
    }
}

impl fmt::Debug for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bytes() {
            Some(bytes) => write!(f, "{bytes}"),
            None => f.write_str("absent"),
        }
    }
}

/// One slot of the schema, as the providers see it.
pub struct Slot<'a> {
    /// `structure.field`, the name in tables and dumps; the field `size` is the structure's size.
    pub name: &'static str,
    /// C names of the structure (tag or typedef), newest first.
    pub structures: &'static [&'static str],
    /// Member paths in C, newest first; empty for the size.
    pub members: &'static [&'static str],
    /// The offset.
    pub offset: &'a mut Offset,
}

macro_rules! offsets {
    ($( $(#[$group_doc:meta])* $group:ident: $Type:ident = $structures:tt {
        $( $(#[$field_doc:meta])* $field:ident = [$($member:literal),+], )*
    } )*) => {
        $(
            $(#[$group_doc])*
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
            pub struct $Type {
                /// Size of the structure in bytes.
                pub size: Offset,
                $( #[doc = concat!("Offset of `", $($member, "` `",)+ "`.")] $(#[$field_doc])* pub $field: Offset, )*
            }
        )*

        /// The offsets of one build, by structure.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Offsets {
            $( $(#[$group_doc])* pub $group: $Type, )*
        }

        impl Offsets {
            /// Visits every slot, in the order of the schema.
            pub fn for_each(&mut self, visit: &mut dyn FnMut(Slot<'_>)) {
                $(
                    visit(Slot {
                        name: concat!(stringify!($group), ".size"),
                        structures: &$structures,
                        members: &[],
                        offset: &mut self.$group.size,
                    });
                    $( visit(Slot {
                        name: concat!(stringify!($group), ".", stringify!($field)),
                        structures: &$structures,
                        members: &[$($member),+],
                        offset: &mut self.$group.$field,
                    }); )*
                )*
            }
        }
    };
}

offsets! {
    /// `_PyRuntimeState` (Include/internal/pycore_runtime.h).
    runtime: RuntimeOffsets = ["pyruntimestate"] {
        interpreters_head = ["interpreters.head"],
        interpreters_main = ["interpreters.main"],
        finalizing = ["_finalizing", "finalizing"],
        /// 3.8 to 3.11: the one GIL of the process.
        gil_locked = ["ceval.gil.locked"],
        gil_last_holder = ["ceval.gil.last_holder"],
        /// 3.8, where the one collector belongs to the process.
        gc_collecting = ["gc.collecting"],
        /// 3.8, where the limit is that of the process.
        recursion_limit = ["ceval.recursion_limit"],
    }
    /// `PyInterpreterState` (Include/internal/pycore_interp.h).
    interpreter: InterpreterOffsets = ["_is"] {
        next = ["next"],
        id = ["id"],
        threads_head = ["threads.head", "tstate_head"],
        modules = ["imports.modules", "modules"],
        sysdict = ["sysdict"],
        gil = ["ceval.gil"],
        gc_collecting = ["gc.collecting"],
        finalizing = ["_finalizing"],
        /// 3.9 to 3.11; later each thread has its own.
        recursion_limit = ["ceval.recursion_limit"],
        /// The function that replaces the evaluation loop (PEP 523).
        eval_frame = ["eval_frame"],
        /// 3.12+: names by tool id (PEP 669).
        monitoring_tool_names = ["monitoring_tool_names"],
        /// 3.14+: the tasks of threads that ended.
        asyncio_tasks_head = ["asyncio_tasks_head"],
    }
    /// `struct _gil_runtime_state` (Include/internal/pycore_gil.h).
    gil: GilOffsets = ["_gil_runtime_state"] {
        /// Free-threaded builds only: 0 while there is none.
        enabled = ["enabled"],
        last_holder = ["last_holder"],
        locked = ["locked"],
    }
    /// `PyThreadState` (Include/cpython/pystate.h).
    thread: ThreadOffsets = ["_ts"] {
        next = ["next"],
        interp = ["interp"],
        frame = ["frame"],
        cframe = ["cframe"],
        current_frame = ["current_frame"],
        thread_id = ["thread_id"],
        native_thread_id = ["native_thread_id"],
        curexc_type = ["curexc_type"],
        curexc_value = ["curexc_value"],
        curexc_traceback = ["curexc_traceback"],
        /// 3.12+: the exception that is being raised.
        current_exception = ["current_exception"],
        exc_info = ["exc_info"],
        /// Up to 3.10, where it counts up.
        recursion_depth = ["recursion_depth"],
        /// 3.11+, where it counts down.
        recursion_remaining = ["py_recursion_remaining", "recursion_remaining"],
        recursion_limit = ["py_recursion_limit", "recursion_limit"],
        tracefunc = ["c_tracefunc"],
        traceobj = ["c_traceobj"],
        profilefunc = ["c_profilefunc"],
        profileobj = ["c_profileobj"],
    }
    /// `_PyThreadStateImpl` (Include/internal/pycore_tstate.h), which begins with the thread state.
    thread_impl: ThreadImplOffsets = ["_PyThreadStateImpl"] {
        /// 3.14+.
        asyncio_running_loop = ["asyncio_running_loop"],
        asyncio_running_task = ["asyncio_running_task"],
        asyncio_tasks_head = ["asyncio_tasks_head"],
    }
    /// `_PyErr_StackItem` (Include/cpython/pystate.h).
    err_stack_item: ErrStackItemOffsets = ["_err_stackitem"] {
        /// Up to 3.10.
        exc_traceback = ["exc_traceback"],
        exc_value = ["exc_value"],
        previous = ["previous_item"],
    }
    /// `CFrame` of 3.10, `_PyCFrame` of 3.11 and 3.12 (Include/cpython/pystate.h).
    cframe: CFrameOffsets = ["_PyCFrame", "_cframe"] {
        current_frame = ["current_frame"],
        previous = ["previous"],
    }
    /// `PyFrameObject` (Include/cpython/frameobject.h, since 3.11 Include/internal/pycore_frame.h).
    frame_object: FrameObjectOffsets = ["_frame"] {
        f_back = ["f_back"],
        f_code = ["f_code"],
        f_builtins = ["f_builtins"],
        f_globals = ["f_globals"],
        f_locals = ["f_locals"],
        f_lasti = ["f_lasti"],
        f_gen = ["f_gen"],
        f_localsplus = ["f_localsplus"],
        /// 3.11+, where the frame itself is a `_PyInterpreterFrame`.
        f_frame = ["f_frame"],
        /// The line a tracer set, or 0.
        f_lineno = ["f_lineno"],
        /// 3.8 and 3.9.
        f_stacktop = ["f_stacktop"],
        f_valuestack = ["f_valuestack"],
        /// 3.10.
        f_stackdepth = ["f_stackdepth"],
    }
    /// `_PyInterpreterFrame` (Include/internal/pycore_frame.h, 3.11+).
    frame: FrameOffsets = ["_PyInterpreterFrame"] {
        executable = ["f_executable", "f_code"],
        previous = ["previous"],
        globals = ["f_globals"],
        builtins = ["f_builtins"],
        locals = ["f_locals"],
        instruction = ["instr_ptr", "prev_instr"],
        owner = ["owner"],
        is_entry = ["is_entry"],
        /// Free-threaded 3.14+: which copy of the instructions runs.
        tlbc_index = ["tlbc_index"],
        localsplus = ["localsplus"],
        /// Up to 3.13.
        stacktop = ["stacktop"],
        /// 3.14+.
        stackpointer = ["stackpointer"],
    }
    /// `PyCodeObject` (Include/cpython/code.h).
    code: CodeOffsets = ["PyCodeObject"] {
        argcount = ["co_argcount"],
        kwonlyargcount = ["co_kwonlyargcount"],
        flags = ["co_flags"],
        nlocals = ["co_nlocals"],
        nlocalsplus = ["co_nlocalsplus"],
        stacksize = ["co_stacksize"],
        firstlineno = ["co_firstlineno"],
        varnames = ["co_varnames"],
        cellvars = ["co_cellvars"],
        freevars = ["co_freevars"],
        localsplusnames = ["co_localsplusnames"],
        localspluskinds = ["co_localspluskinds"],
        filename = ["co_filename"],
        name = ["co_name"],
        qualname = ["co_qualname"],
        linetable = ["co_linetable", "co_lnotab"],
        bytecode = ["co_code"],
        code_adaptive = ["co_code_adaptive"],
        firsttraceable = ["_co_firsttraceable"],
        consts = ["co_consts"],
        names = ["co_names"],
        /// 3.12+: what `sys.monitoring` replaced in the code.
        monitoring = ["_co_monitoring"],
        /// Free-threaded 3.14+: the copies of the instructions.
        tlbc = ["co_tlbc"],
    }
    /// `_PyCodeArray` (Include/cpython/code.h, free-threaded 3.14+).
    code_array: CodeArrayOffsets = ["_PyCodeArray"] {
        count = ["size"],
        entries = ["entries"],
    }
    /// `_PyCoMonitoringData` (Include/cpython/code.h, 3.12+).
    code_monitoring: CodeMonitoringOffsets = ["_PyCoMonitoringData"] {
        lines = ["lines"],
        per_instruction_opcodes = ["per_instruction_opcodes"],
    }
    /// `_PyCoLineInstrumentationData`, one per instruction before 3.14, then a table of bytes.
    line_instrumentation: LineInstrumentationOffsets = ["_PyCoLineInstrumentationData", "_line_instrumentation_data"] {
        original_opcode = ["original_opcode"],
        bytes_per_entry = ["bytes_per_entry"],
        data = ["data"],
    }
    /// `PyObject` (Include/object.h).
    object: ObjectOffsets = ["_object"] {
        ob_type = ["ob_type"],
        /// Absent in free-threaded builds, which count in two fields.
        refcount = ["ob_refcnt"],
        /// Those two: references of the owning thread, and of all others.
        local_references = ["ob_ref_local"],
        shared_references = ["ob_ref_shared"],
    }
    /// `PyVarObject` (Include/object.h).
    var_object: VarObjectOffsets = ["PyVarObject"] {
        ob_size = ["ob_size"],
    }
    /// `PyTypeObject` (Include/cpython/object.h).
    type_object: TypeOffsets = ["_typeobject"] {
        name = ["tp_name"],
        basicsize = ["tp_basicsize"],
        itemsize = ["tp_itemsize"],
        flags = ["tp_flags"],
        members = ["tp_members"],
        base = ["tp_base"],
        dict = ["tp_dict"],
        dictoffset = ["tp_dictoffset"],
        repr = ["tp_repr"],
        mro = ["tp_mro"],
    }
    /// `PyHeapTypeObject` (Include/cpython/object.h).
    heap_type: HeapTypeOffsets = ["_heaptypeobject"] {
        qualname = ["ht_qualname"],
        cached_keys = ["ht_cached_keys"],
    }
    /// `PyMemberDef` (Include/structmember.h, since 3.12 Include/descrobject.h).
    member_def: MemberDefOffsets = ["PyMemberDef"] {
        name = ["name"],
        kind = ["type"],
        offset = ["offset"],
    }
    /// `PyASCIIObject` (Include/cpython/unicodeobject.h).
    ascii: AsciiOffsets = ["PyASCIIObject"] {
        length = ["length"],
        state = ["state"],
        /// Up to 3.11, where a string could hold `wchar_t` only.
        wstr = ["wstr"],
    }
    /// `PyCompactUnicodeObject`; its size is where the data of a compact string begins.
    compact_unicode: CompactUnicodeOffsets = ["PyCompactUnicodeObject"] {
        wstr_length = ["wstr_length"],
    }
    /// `PyUnicodeObject`: strings with their data elsewhere, which subclasses of str are.
    unicode: UnicodeOffsets = ["PyUnicodeObject"] {
        data = ["data"],
    }
    /// `PyLongObject` (Include/cpython/longintrepr.h).
    long: LongOffsets = ["_longobject"] {
        digits = ["long_value.ob_digit", "ob_digit"],
        tag = ["long_value.lv_tag"],
    }
    /// `PyFloatObject`.
    float: FloatOffsets = ["PyFloatObject"] {
        value = ["ob_fval"],
    }
    /// `PyComplexObject`.
    complex: ComplexOffsets = ["PyComplexObject"] {
        value = ["cval"],
    }
    /// `PyBytesObject`.
    bytes: BytesOffsets = ["PyBytesObject"] {
        data = ["ob_sval"],
    }
    /// `PyByteArrayObject`.
    bytearray: ByteArrayOffsets = ["PyByteArrayObject"] {
        start = ["ob_start"],
    }
    /// `PyListObject`.
    list: ListOffsets = ["PyListObject"] {
        items = ["ob_item"],
        allocated = ["allocated"],
    }
    /// `PyTupleObject`.
    tuple: TupleOffsets = ["PyTupleObject"] {
        items = ["ob_item"],
    }
    /// `PySetObject` (Include/cpython/setobject.h).
    set: SetOffsets = ["PySetObject"] {
        used = ["used"],
        mask = ["mask"],
        table = ["table"],
    }
    /// `PyDictObject` (Include/cpython/dictobject.h).
    dict: DictOffsets = ["PyDictObject"] {
        used = ["ma_used"],
        keys = ["ma_keys"],
        values = ["ma_values"],
    }
    /// `PyDictKeysObject` (Objects/dict-common.h, since 3.11 Include/internal/pycore_dict.h).
    dict_keys: DictKeysOffsets = ["_dictkeysobject"] {
        size_slots = ["dk_size"],
        log2_size = ["dk_log2_size"],
        log2_index_bytes = ["dk_log2_index_bytes"],
        kind = ["dk_kind"],
        nentries = ["dk_nentries"],
        indices = ["dk_indices"],
    }
    /// `PyDictValues` (Include/internal/pycore_dict.h, 3.11+).
    dict_values: DictValuesOffsets = ["_dictvalues"] {
        values = ["values"],
        capacity = ["capacity"],
        /// How many of the values are in use.
        count = ["size"],
        valid = ["valid"],
    }
    /// `PyCellObject`.
    cell: CellOffsets = ["PyCellObject"] {
        contents = ["ob_ref"],
    }
    /// `PyModuleObject`.
    module: ModuleOffsets = ["PyModuleObject"] {
        dict = ["md_dict"],
        name = ["md_name"],
    }
    /// `PyFunctionObject` (Include/cpython/funcobject.h).
    function: FunctionOffsets = ["PyFunctionObject"] {
        qualname = ["func_qualname"],
        name = ["func_name"],
        module = ["func_module"],
        code = ["func_code"],
    }
    /// `PyMethodObject` (Include/cpython/classobject.h).
    method: MethodOffsets = ["PyMethodObject"] {
        function = ["im_func"],
        instance = ["im_self"],
    }
    /// `PyCFunctionObject` (Include/cpython/methodobject.h).
    builtin: BuiltinOffsets = ["PyCFunctionObject"] {
        definition = ["m_ml"],
        owner = ["m_self"],
    }
    /// `PyMethodDef` (Include/methodobject.h).
    method_def: MethodDefOffsets = ["PyMethodDef"] {
        name = ["ml_name"],
        function = ["ml_meth"],
    }
    /// `wrapperobject` (Objects/descrobject.c), a slot of a type written in C, bound to an instance.
    wrapper: WrapperOffsets = ["wrapperobject"] {
        descriptor = ["descr"],
        instance = ["self"],
    }
    /// `PyDescrObject` (Include/cpython/descrobject.h).
    descriptor: DescriptorOffsets = ["PyDescrObject"] {
        of_type = ["d_type"],
        name = ["d_name"],
    }
    /// `PyGenObject`, and the beginning of `PyCoroObject` and `PyAsyncGenObject` (Include/cpython/genobject.h).
    generator: GeneratorOffsets = ["PyGenObject"] {
        qualname = ["gi_qualname"],
        /// Up to 3.10.
        frame = ["gi_frame"],
        /// 3.11+: the frame lies in the generator.
        iframe = ["gi_iframe"],
        frame_state = ["gi_frame_state"],
    }
    /// `rangeobject` (Objects/rangeobject.c).
    range: RangeOffsets = ["rangeobject"] {
        start = ["start"],
        stop = ["stop"],
        step = ["step"],
    }
    /// `PySliceObject` (Include/sliceobject.h).
    slice: SliceOffsets = ["PySliceObject"] {
        start = ["start"],
        stop = ["stop"],
        step = ["step"],
    }
    /// `PyBaseExceptionObject` (Include/cpython/pyerrors.h).
    exception: ExceptionOffsets = ["PyBaseExceptionObject"] {
        args = ["args"],
        traceback = ["traceback"],
        context = ["context"],
        cause = ["cause"],
        suppress_context = ["suppress_context"],
    }
    /// `PyTracebackObject` (Include/cpython/traceback.h).
    traceback: TracebackOffsets = ["_traceback", "PyTracebackObject"] {
        next = ["tb_next"],
        frame = ["tb_frame"],
        lasti = ["tb_lasti"],
        lineno = ["tb_lineno"],
    }
    /// `PyOSErrorObject` (Include/cpython/pyerrors.h).
    os_error: OsErrorOffsets = ["PyOSErrorObject"] {
        errno = ["myerrno"],
        strerror = ["strerror"],
        filename = ["filename"],
        filename2 = ["filename2"],
    }
    /// `PyImportErrorObject`.
    import_error: ImportErrorOffsets = ["PyImportErrorObject"] {
        msg = ["msg"],
        name = ["name"],
        path = ["path"],
    }
    /// `PySyntaxErrorObject`.
    syntax_error: SyntaxErrorOffsets = ["PySyntaxErrorObject"] {
        msg = ["msg"],
        filename = ["filename"],
        lineno = ["lineno"],
    }
    /// `PyUnicodeErrorObject`.
    unicode_error: UnicodeErrorOffsets = ["PyUnicodeErrorObject"] {
        encoding = ["encoding"],
        object = ["object"],
        start = ["start"],
        end = ["end"],
        reason = ["reason"],
    }
    /// `PyBaseExceptionGroupObject` (3.11+).
    exception_group: ExceptionGroupOffsets = ["PyBaseExceptionGroupObject"] {
        msg = ["msg"],
        exceptions = ["excs"],
        /// 3.14+: what a sequence of another type printed.
        exceptions_text = ["excs_str"],
    }
    /// `PyWeakReference` (Include/cpython/weakrefobject.h).
    weak_reference: WeakReferenceOffsets = ["_PyWeakReference"] {
        object = ["wr_object"],
    }
    /// `TaskObj` (Modules/_asynciomodule.c).
    task: TaskOffsets = ["TaskObj"] {
        event_loop = ["task_loop"],
        state = ["task_state"],
        coro = ["task_coro"],
        name = ["task_name"],
        fut_waiter = ["task_fut_waiter"],
        /// 3.14+: its place in the list of tasks.
        node = ["task_node"],
    }
    /// `FutureObj` (Modules/_asynciomodule.c).
    future: FutureOffsets = ["FutureObj"] {
        exception = ["fut_exception"],
        result = ["fut_result"],
        state = ["fut_state"],
    }
    /// `futureiterobject` (Modules/_asynciomodule.c): what `await` of a future iterates over.
    future_iterator: FutureIteratorOffsets = ["futureiterobject"] {
        future = ["future"],
    }
    /// `PyCoroWrapper` (Objects/genobject.c): what `coroutine.__await__()` gives.
    coroutine_wrapper: CoroutineWrapperOffsets = ["PyCoroWrapper"] {
        coroutine = ["cw_coroutine"],
    }
    /// `PyAsyncGenASend` (Objects/genobject.c): what `__anext__` and `asend` of an asynchronous generator give.
    async_gen_send: AsyncGenSendOffsets = ["PyAsyncGenASend"] {
        generator = ["ags_gen"],
    }
    /// `PyAsyncGenAThrow` (Objects/genobject.c): likewise `athrow` and `aclose`.
    async_gen_throw: AsyncGenThrowOffsets = ["PyAsyncGenAThrow"] {
        generator = ["agt_gen"],
    }
    /// `PyMemoryViewObject` (Include/cpython/memoryobject.h).
    memoryview: MemoryViewOffsets = ["PyMemoryViewObject"] {
        flags = ["flags"],
    }
    /// `classmethod` (Objects/funcobject.c).
    class_method: ClassMethodOffsets = ["classmethod"] {
        callable = ["cm_callable"],
    }
    /// `staticmethod` (Objects/funcobject.c).
    static_method: StaticMethodOffsets = ["staticmethod"] {
        callable = ["sm_callable"],
    }
    /// `mappingproxyobject` (Objects/descrobject.c).
    mapping_proxy: MappingProxyOffsets = ["mappingproxyobject"] {
        mapping = ["mapping"],
    }
    /// `_PyDictViewObject`.
    dict_view: DictViewOffsets = ["_PyDictViewObject"] {
        dict = ["dv_dict"],
    }
    /// `gaobject`, `types.GenericAlias` (Objects/genericaliasobject.c).
    generic_alias: GenericAliasOffsets = ["gaobject"] {
        origin = ["origin"],
        args = ["args"],
        starred = ["starred"],
    }
    /// `unionobject`, `types.UnionType` (Objects/unionobject.c, 3.10+).
    union_type: UnionTypeOffsets = ["unionobject"] {
        args = ["args"],
    }
    /// `partialobject` (Modules/_functoolsmodule.c).
    partial: PartialOffsets = ["partialobject"] {
        function = ["fn"],
        args = ["args"],
        keywords = ["kw"],
    }
    /// `dequeobject` (Modules/_collectionsmodule.c).
    deque: DequeOffsets = ["dequeobject"] {
        leftblock = ["leftblock"],
        leftindex = ["leftindex"],
        maxlen = ["maxlen"],
    }
    /// A block of a deque (Modules/_collectionsmodule.c).
    deque_block: DequeBlockOffsets = ["BLOCK"] {
        data = ["data"],
        rightlink = ["rightlink"],
    }
    /// `defdictobject` (Modules/_collectionsmodule.c).
    defaultdict: DefaultDictOffsets = ["defdictobject"] {
        factory = ["default_factory"],
    }
    /// `PyODictObject` (Objects/odictobject.c).
    ordered_dict: OrderedDictOffsets = ["_odictobject"] {
        first = ["od_first"],
    }
    /// `_ODictNode`.
    ordered_dict_node: OrderedDictNodeOffsets = ["_odictnode"] {
        key = ["key"],
        next = ["next"],
    }
    /// `lockobject` (Modules/_threadmodule.c).
    lock: LockOffsets = ["lockobject"] {
        /// One byte; bit 0 says whether it is locked.
        locked = ["locked", "lock"],
    }
    /// `rlockobject` (Modules/_threadmodule.c).
    rlock: RLockOffsets = ["rlockobject"] {
        /// 3.14+: a `PyMutex`; before, the lock is locked where the count is not 0.
        mutex = ["lock.mutex"],
        owner = ["lock.thread", "rlock_owner"],
        count = ["lock.level", "rlock_count"],
    }
    /// `PatternObject` (Modules/_sre/sre.h).
    pattern: PatternOffsets = ["PatternObject"] {
        pattern = ["pattern"],
        flags = ["flags"],
        is_bytes = ["isbytes"],
    }
    /// `MatchObject` (Modules/_sre/sre.h).
    match_object: MatchOffsets = ["MatchObject"] {
        string = ["string"],
        mark = ["mark"],
    }
    /// `PyDateTime_Delta` (Include/datetime.h).
    timedelta: TimedeltaOffsets = ["PyDateTime_Delta"] {
        days = ["days"],
        seconds = ["seconds"],
        microseconds = ["microseconds"],
    }
    /// `PyDateTime_Date`.
    date: DateOffsets = ["PyDateTime_Date"] {
        data = ["data"],
    }
    /// `PyDateTime_DateTime`.
    datetime: DateTimeOffsets = ["PyDateTime_DateTime"] {
        has_timezone = ["hastzinfo"],
        data = ["data"],
        fold = ["fold"],
        timezone = ["tzinfo"],
    }
    /// `PyDateTime_Time`.
    time: TimeOffsets = ["PyDateTime_Time"] {
        has_timezone = ["hastzinfo"],
        data = ["data"],
        fold = ["fold"],
        timezone = ["tzinfo"],
    }
    /// `PyDateTime_TimeZone` (Modules/_datetimemodule.c).
    timezone: TimeZoneOffsets = ["PyDateTime_TimeZone"] {
        offset = ["offset"],
        name = ["name"],
    }
    /// `PyDecObject` (Modules/_decimal/_decimal.c) with its `mpd_t` (mpdecimal.h).
    decimal: DecimalOffsets = ["PyDecObject"] {
        flags = ["dec.flags"],
        exponent = ["dec.exp"],
        words = ["dec.len"],
        data = ["dec.data"],
    }
    /// `arrayobject` (Modules/arraymodule.c).
    array: ArrayOffsets = ["arrayobject"] {
        items = ["ob_item"],
        descriptor = ["ob_descr"],
    }
    /// `struct arraydescr` (Modules/arraymodule.c).
    array_descriptor: ArrayDescriptorOffsets = ["arraydescr"] {
        typecode = ["typecode"],
        itemsize = ["itemsize"],
    }
    /// `CDataObject`, the beginning of all ctypes values (Modules/_ctypes/ctypes.h).
    ctypes_data: CtypesDataOffsets = ["tagCDataObject"] {
        pointer = ["b_ptr"],
        bytes = ["b_size"],
    }
    /// `CFieldObject`, a field of a ctypes structure (Modules/_ctypes/ctypes.h).
    ctypes_field: CtypesFieldOffsets = ["CFieldObject"] {
        offset = ["byte_offset", "offset"],
        bytes = ["byte_size", "size"],
        bitfield = ["bitfield_size"],
    }
}

/// Structures of extension modules, which many builds compile into libraries of their own.
const EXTENSION_STRUCTURES: [&str; 13] = [
    "task",
    "future",
    "future_iterator",
    "timedelta",
    "date",
    "datetime",
    "time",
    "timezone",
    "decimal",
    "array",
    "array_descriptor",
    "ctypes_data",
    "ctypes_field",
];

/// The structure of `structure.field`.
fn structure_in(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// Whether a structure begins with the head of an object: whether all of its fields lie behind one.
fn is_object(offsets: &BTreeMap<String, u32>, structure: &str) -> bool {
    let Some(head) = offsets.get("object.size") else {
        return false;
    };
    let mut fields = offsets.iter().filter(|(name, _)| structure_in(name) == structure);
    fields.all(|(_, at)| at >= head)
}

impl Offsets {
    /// The present offsets by `structure.field`.
    pub fn to_map(&self) -> BTreeMap<String, u32> {
        let mut map = BTreeMap::new();
        let mut copy = *self;
        copy.for_each(&mut |slot| {
            if slot.offset.is_present() {
                map.insert(slot.name.to_string(), slot.offset.0);
            }
        });
        map
    }

    /// The inverse of [`Offsets::to_map`]; unknown names are ignored.
    pub fn from_map(map: &BTreeMap<String, u32>) -> Offsets {
        let mut offsets = Offsets::default();
        offsets.for_each(&mut |slot| {
            if let Some(&bytes) = map.get(slot.name) {
                *slot.offset = Offset::new(u64::from(bytes));
            }
        });
        offsets
    }

    /// Takes over the structures of extension modules that this build's own debug information does not describe. Where
    /// they differ from the build at hand, the size of the type tells, and its values are not taken apart.
    ///
    /// Objects of a build with `--with-trace-refs` begin with two more pointers (`_PyObject_HEAD_EXTRA` in
    /// Include/object.h up to 3.12), and all that follows lies so much further.
    pub fn complete_extensions(&mut self, other: &Offsets) {
        let mine = self.to_map();
        let theirs = other.to_map();
        let head = other.head_growth(self);
        self.for_each(&mut |slot| {
            let structure = structure_in(slot.name);
            let is_missing =
                EXTENSION_STRUCTURES.contains(&structure) && !mine.contains_key(&format!("{structure}.size"));
            if let (true, Some(&bytes)) = (is_missing, theirs.get(slot.name)) {
                let distance = if head != 0 && is_object(&theirs, structure) {
                    head
                } else {
                    0
                };
                *slot.offset = Offset::new(u64::from(bytes).wrapping_add_signed(distance));
            }
        });
    }

    /// These offsets, of a build of nearly the same version, for one that states some of its own: what lies between two
    /// fields that moved by the same distance moved with them. Where they moved differently, it is not known where it is.
    /// (Between 3.14.4 and 3.14.10 the collector's state in `PyInterpreterState` grew by 24 bytes.)
    pub fn moved_with(&self, stated: &Offsets) -> Offsets {
        let mine = self.to_map();
        let theirs = stated.to_map();
        let mut both: BTreeMap<&str, Vec<(u32, u32)>> = BTreeMap::new();
        for (name, &theirs) in &theirs {
            if let Some(&mine) = mine.get(name) {
                both.entry(structure_in(name)).or_default().push((mine, theirs));
            }
        }
        let mut moved = *self;
        moved.for_each(&mut |slot| {
            let (Some(&at), false) = (mine.get(slot.name), theirs.contains_key(slot.name)) else {
                return;
            };
            let both = both.get(structure_in(slot.name)).into_iter().flatten();
            let distance = |(mine, theirs): &(u32, u32)| i64::from(*theirs) - i64::from(*mine);
            let below = both.clone().filter(|both| both.0 <= at).max().map(distance);
            let above = both.filter(|both| both.0 >= at).min().map(distance);
            let moved = match (below, above) {
                (Some(below), Some(above)) => Some(below).filter(|below| *below == above),
                (one, other) => Some(one.or(other).unwrap_or_default()).filter(|distance| *distance == 0),
            };
            let offset = moved.map(|distance| u64::from(at).wrapping_add_signed(distance));
            *slot.offset = offset.map_or(Offset::ABSENT, Offset::new);
        });
        moved
    }

    /// By how many bytes the head of an object is larger in `other`.
    fn head_growth(&self, other: &Offsets) -> i64 {
        let (Some(mine), Some(theirs)) = (self.object.ob_type.bytes(), other.object.ob_type.bytes()) else {
            return 0;
        };
        theirs.wrapping_sub(mine).cast_signed()
    }

    /// A number that changes whenever the schema does.
    pub fn fingerprint() -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        Offsets::default().for_each(&mut |slot| {
            hasher.update(format!("{} {:?} {:?};", slot.name, slot.structures, slot.members).as_bytes());
        });
        hasher.finalize()
    }

    /// Takes over every offset that `better` has; returns the names of those on which both sides
    /// had an opinion and differed.
    pub fn overlay(&mut self, better: &Offsets) -> Vec<String> {
        let theirs = better.to_map();
        let mut differing = Vec::new();
        self.for_each(&mut |slot| {
            if let Some(&bytes) = theirs.get(slot.name) {
                let new = Offset::new(u64::from(bytes));
                if slot.offset.is_present() && *slot.offset != new {
                    differing.push(slot.name.to_string());
                }
                *slot.offset = new;
            }
        });
        differing
    }
}
