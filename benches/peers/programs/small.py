"""A crash in an extension module, with values of several kinds in the frames above it."""

import crashext


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y


def crash(amount, items):
    total = sum(items)
    return crashext.null_deref(amount)


def middle(point, table):
    text = "some text " * 3
    return crash(point.x, [1, 2, 3])


def main():
    middle(Point(3, 4.5), {"a": 1, "b": [1, 2]})


main()
