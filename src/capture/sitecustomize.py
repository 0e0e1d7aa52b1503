

def _start() -> None:
    import importlib.machinery
    import importlib.util
    import os

    def dump() -> None:
        import ctypes

        ctypes.CDLL(None).coldframe_dump_exception()

    if os.environ.get("COLDFRAME_EXCEPTIONS") == "1":
        install(dump)
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if path != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize")
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


_start()
