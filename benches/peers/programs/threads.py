"""A crash beside twenty threads that wait."""

import threading
import time

import crashext

never = threading.Event()


def wait(number, event):
    event.wait()


for number in range(20):
    threading.Thread(target=wait, args=(number, never), daemon=True).start()
time.sleep(0.3)
crashext.null_deref(1)
