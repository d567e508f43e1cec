# SPDX-License-Identifier: GPL-2.0
"""Allocations of the module that fail: the Nth one of a task, or some of all (fault injection).

Only those count that have the module's code on their stack.
"""

import contextlib
import os

from .tap import equal

PLACES = [f'/sys/kernel/debug/{name}' for name in ('failslab', 'fail_page_alloc')]


def possible():
    """Whether this kernel can do that."""
    return all(os.path.exists(f'{place}/require-start') for place in PLACES) and os.path.exists(
        '/proc/thread-self/fail-nth'
    )


def _set(**values):
    for place in PLACES:
        for name, value in values.items():
            path = f'{place}/{name.replace("_", "-")}'
            if name == 'verbose_ratelimit_burst':
                path = f'{place}/{name}'
            if os.path.exists(path):
                with open(path, 'w', encoding='ascii') as file:
                    file.write(str(value))


def text(module):
    """The first and the last address of a module's code."""
    with open('/proc/kallsyms', encoding='ascii') as file:
        addresses = [
            int(line.split()[0], 16)
            for line in file
            if line.rstrip().endswith(f'[{module}]') and line.split()[1] in 'tT'
        ]
    return min(addresses), max(addresses) + 65536


def of_kmemleak():
    """The first and the last address of kmemleak, which stops for good without memory."""
    near = {}
    with open('/proc/kallsyms', encoding='ascii') as file:
        for line in file:
            address, _, name = line.split()[:3]
            if 'create_object' in name or name in ('mem_pool_alloc', 'add_scan_area'):
                near[name] = int(address, 16)
    middle = near.get('__create_object')
    if middle is None:
        return 0, 0
    close = [address for address in near.values() if abs(address - middle) < 65536]
    return min(close), max(close) + 4096


@contextlib.contextmanager
def of(module):
    """Arms the kernel's fault injection for MODULE; without this, the stack is not looked at."""
    start, end = text(module)
    not_start, not_end = of_kmemleak()
    _set(
        require_start=hex(start),
        require_end=hex(end),
        reject_start=hex(not_start),
        reject_end=hex(not_end),
        stacktrace_depth=32,
        ignore_gfp_wait='N',
        probability=0,
        times=-1,
        interval=1,
        space=0,
        verbose=0,
    )
    try:
        yield
    finally:
        _set(
            probability=0,
            require_start=0,
            require_end=hex(2**64 - 1),
            reject_start=0,
            reject_end=0,
            ignore_gfp_wait='Y',
        )


@contextlib.contextmanager
def some(percent):
    """So many of all allocations fail, whoever makes them."""
    _set(probability=percent)
    try:
        yield
    finally:
        _set(probability=0)


class Nth:
    """Makes one allocation of a task fail, the calling thread's if none is named."""

    def __init__(self, task='thread-self'):
        # The file of the thread that opens it.
        self.file = os.open(f'/proc/{task}/fail-nth', os.O_RDWR | os.O_CLOEXEC)

    def arm(self, n):
        """The Nth allocation from now on fails; 0: none."""
        os.pwrite(self.file, b'%d' % n, 0)

    def failed(self):
        """Disarms it, and says whether there were so many."""
        left = int(os.pread(self.file, 32, 0).split(b'\0')[0])
        self.arm(0)
        return left == 0

    def close(self):
        """Closes it."""
        os.close(self.file)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.arm(0)
        self.close()


def each(operation, state, undo, what):
    """Lets each allocation of OPERATION fail, one after the other, until a run needs no more.

    OPERATION() returns None, or the words of its refusal. STATE() is what has to be as before then.
    After each failure it has to succeed when tried again. UNDO() takes it back.
    """
    before = state()
    refused = withstood = 0
    with Nth() as nth:
        for n in range(1, 1000):
            nth.arm(n)
            words = operation()
            hit = nth.failed()
            if words is None:
                after = state()
                undo()
                equal(state(), before, f'{what}: state after it was taken back, {n}')
                if not hit:
                    return refused, withstood, after
                withstood += 1
                continue
            if not hit:
                raise AssertionError(f'{what}: refused without a failure: {words}')
            refused += 1
            equal(state(), before, f'{what}: state after allocation {n} failed ({words})')
            equal(operation(), None, f'{what}: tried again after allocation {n} failed')
            undo()
            equal(state(), before, f'{what}: state after the next try was taken back, {n}')
    raise AssertionError(f'{what}: there is no end of allocations')
