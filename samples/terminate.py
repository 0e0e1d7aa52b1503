#: signal: SIGABRT
#: code: SI_TKILL
#: ends: signal SIGABRT
#: thread: main
#: finding: cxx-terminate certain
#: build: c++ -g -O0 -fPIC -shared -I{include} -o {out}/cppext.so native/cppext.cpp
#: frame: price_of @crash
#: frame: <module> @main
#: native: *abort in libc.so.6
#: native: * in libstdc++.so.6*
#: native: __cxa_throw in libstdc++.so.6*
#: native: stock::Inventory::price* in cppext.so
#: native: cppext_price* in cppext.so
#: native-argument: stock::Inventory::price item = "pear"
#: argument: price_of item = 'pear'
"""A C++ extension throws an exception that nobody catches: std::terminate, then abort()."""

import cppext
import oracle


def price_of(item):
    oracle.record()
    return cppext.price(item)  #@crash


price_of("pear")  #@main
