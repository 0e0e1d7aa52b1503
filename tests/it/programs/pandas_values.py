"""Objects of pandas in local variables; then a line of their attributes that Python itself prints."""

import json
import sys

import pandas

PRINTED = (int, str, bool, type(None), dict, list, range)


def attributes(value):
    names = getattr(value, "__dict__", {})
    return {name: repr(item) for name, item in names.items() if isinstance(item, PRINTED) and "<" not in repr(item)}


def show():
    frame = pandas.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5], "c": ["x", "y", "z"]})
    frame.attrs["source"] = "test"
    series = pandas.Series([1, 2, 3], name="prices")
    index = frame.index
    columns = frame.columns
    groups = frame.groupby("c")
    column = frame["a"].to_numpy()
    shown = {name: attributes(value) for name, value in locals().items() if name != "column"}
    print(json.dumps(shown), flush=True)
    sys.stdin.read()


show()
