#: signal: SIGSEGV
#: code: SEGV_MAPERR
#: address: 0x0
#: ends: signal SIGSEGV
#: thread: main
#: finding: null-deref certain
#: frame: convert @crash
#: frame[<3.12]: <listcomp> @total
#: frame: total @total
#: frame: <module> @main
#: native: * in libc.so.6
#: native: * in _ctypes.*
#: qualname: convert Basket.total.<locals>.convert
#: qualname: total Basket.total
#: argument: convert amount = 2
#: free: convert rate = 1.5
#: argument[<3.12]: <listcomp> .0 ~ <tuple_iterator object at 0x*>
#: local[<3.12]: <listcomp> amount = 2
#: free[<3.12]: <listcomp> convert ~ <function Basket.total.<locals>.convert at 0x*>
#: argument: total self ~ <__main__.Basket object at 0x*>
#: argument: total owner = 'Ada'
#: argument: total amounts = (2, 3)
#: argument: total currency = 'EUR'
#: argument: total options = {'gift': True}
#: cell: total rate = 1.5
#: cell[<3.12]: total convert ~ <function Basket.total.<locals>.convert at 0x*>
#: local[>=3.12]: total convert ~ <function Basket.total.<locals>.convert at 0x*>
#: local[>=3.12]: total amount = 2
#: unset: total result
"""A crash in a closure within a method: self, *args, keyword-only, **kwargs, cell and free variables, and a
comprehension, which has a frame of its own up to 3.11 and is part of the method from 3.12 on."""

from ctypes import memset

import oracle


class Basket:
    def total(self, owner, *amounts, currency="EUR", **options):
        rate = 1.5

        def convert(amount):
            oracle.record()
            memset(0, 0, 1)  #@crash
            return amount * rate

        result = sum([convert(amount) for amount in amounts])  #@total
        return result


Basket().total("Ada", 2, 3, gift=True)  #@main
