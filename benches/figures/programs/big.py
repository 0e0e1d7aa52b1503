"""A process of the size that data work has: 1.2 GB, 35 threads, some 280 images; it crashes below pandas."""

import ctypes
import os
import threading
import time

import matplotlib.pyplot
import numpy
import pandas
import scipy.interpolate
import scipy.ndimage
import scipy.optimize
import scipy.signal
import scipy.sparse
import scipy.stats
import sklearn.cluster
import sklearn.decomposition
import sklearn.ensemble
import sklearn.linear_model
import sklearn.manifold
import sklearn.svm

THREADS = 35

data = numpy.ones(int(1.05e9) // 8)
frame = pandas.DataFrame({"a": range(10), "b": list("abcdefghij")})
never = threading.Event()


def worker(number):
    never.wait()


def threads():
    return len(os.listdir("/proc/self/task"))


def crash(value):
    if value == 3:
        with open("/proc/self/maps") as maps:
            images = {line.split()[-1] for line in maps if ".so" in line}
        with open("/proc/self/statm") as statm:
            resident = int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")
        os.write(1, b"%d MB, %d threads, %d images\n" % (resident >> 20, threads(), len(images)))
        os.write(1, b"%d\n" % time.clock_gettime_ns(time.CLOCK_MONOTONIC))
        ctypes.string_at(0)
    return value


for number in range(THREADS - threads()):
    threading.Thread(target=worker, args=(number,), daemon=True, name=f"worker-{number}").start()
time.sleep(0.2)
frame["a"].apply(crash)
