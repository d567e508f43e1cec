# SPDX-License-Identifier: GPL-2.0
"""Cases and their results in TAP 13, by the kernel's selftest conventions."""

import os
import sys
import time
import traceback

KSFT_SKIP = 4

_patience = int(os.environ.get('PATIENCE') or 1)

_cases = []


class Skip(Exception):
    """The case cannot be run here; the words say why."""


class Failure(Exception):
    """What was seen is not what is specified; the words say both."""


def case(words, only=None, fresh=False):
    """Makes a function a case. WORDS begin with the numbers of the specification that it shows.

    ONLY names the one implementation that the case is about. FRESH says that nothing may be left of the
    cases before: no connection, and no real server that comes back with its counters (V-13).
    """

    def register(function):
        _cases.append((words, only, fresh, function))
        return function

    return register


def note(text=''):
    """Prints what a TAP reader takes for a comment."""
    for line in str(text).splitlines() or ['']:
        print('#', line, flush=True)


def equal(got, want, what):
    """Fails unless GOT is WANT."""
    if got != want:
        raise Failure(f'{what}: got {got!r}, want {want!r}')


def true(condition, what):
    """Fails unless CONDITION holds."""
    if not condition:
        raise Failure(what)


def patience(seconds):
    """The time limit SECONDS, times PATIENCE: for a slow kernel, as in run_tests.sh."""
    return seconds * _patience


def until(condition, what, seconds=10):
    """Waits until CONDITION() is true and returns its value; fails after SECONDS of patience()."""
    seconds = patience(seconds)
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f'{what}: not within {seconds} s (last seen: {value!r})')
        time.sleep(0.02)


def always(condition, what, seconds):
    """Fails if CONDITION() stops being true within SECONDS."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        true(condition(), what)
        time.sleep(0.05)


def skip_all(reason):
    """Ends the whole test as one that cannot be run here."""
    print(f'1..0 # SKIP {reason}', flush=True)
    sys.exit(KSFT_SKIP)


def run(fixture):
    """Runs the cases on the FIXTURE (a context manager), and exits with 0 if none failed.

    Arguments on the command line choose the cases whose words contain one of them.
    """
    print('TAP version 13', flush=True)
    chosen = [c for c in _cases if not sys.argv[1:] or any(a in c[0] for a in sys.argv[1:])]
    if not chosen:
        print('1..0')
        note('there is no such case')
        sys.exit(1)
    # The plan comes first, so that a test that dies is seen to have died.
    print(f'1..{len(chosen)}', flush=True)
    failed = 0
    with fixture:
        for number, (words, only, fresh, function) in enumerate(chosen, 1):
            failed += not _one(fixture, number, words, only, fresh, function)
    note(f'{len(chosen) - failed} of {len(chosen)} did not fail')
    sys.exit(1 if failed else 0)


def _one(fixture, number, words, only, fresh, function):
    """Runs one case; returns whether it did not fail."""
    note()
    note(f'{words}')
    start = time.monotonic()
    try:
        if only and only != fixture.impl:
            raise Skip(f'only {only} is asked for this')
        fixture.before(fresh)
        function()
        fixture.after()
    except Skip as reason:
        print(f'ok {number} {words} # SKIP {reason}', flush=True)
        return True
    except Exception as reason:  # Whatever it is, the other cases still run.
        if isinstance(reason, Failure):
            note(f'failed: {reason}')
        else:
            note(traceback.format_exc())
            # The line that the end of a run shows.
            note(f'failed: {type(reason).__name__}: {reason}')
        if os.environ.get('SHOW_STATE', '1') == '1':
            fixture.show_state()
        print(f'not ok {number} {words}', flush=True)
        return False
    print(f'ok {number} {words} # {time.monotonic() - start:.1f} s', flush=True)
    return True
