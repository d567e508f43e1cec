# SPDX-License-Identifier: GPL-2.0
"""Network namespaces: sockets made in them stay there, commands started in them run there."""

import ctypes
import os
import subprocess

from .tap import Failure, note

# os.setns is of Python 3.12.
_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


def _setns(descriptor):
    if _libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), 'setns')


class Netns:
    """One namespace by its name. As a context manager, moves the calling thread into it and back."""

    def __init__(self, name):
        self.name = name
        self.short = name.removeprefix('rv-')
        self.descriptor = os.open(f'/run/netns/{name}', os.O_RDONLY | os.O_CLOEXEC)
        self.back = []

    def close(self):
        """Lets go of the namespace."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    def __enter__(self):
        self.back.append(os.open('/proc/thread-self/ns/net', os.O_RDONLY | os.O_CLOEXEC))
        _setns(self.descriptor)
        return self

    def __exit__(self, *_):
        descriptor = self.back.pop()
        _setns(descriptor)
        os.close(descriptor)

    def run(self, command, check=True, quiet=False, stdin=None):
        """Runs COMMAND (a line without quoting, or a list) here and returns its output with errors."""
        words = command.split() if isinstance(command, str) else command
        if not quiet:
            note(f'[{self.short}] {" ".join(words)}')
        with self:
            done = subprocess.run(
                words,
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
        self.status = done.returncode
        if check and done.returncode:
            raise Failure(
                f'[{self.short}] {" ".join(words)}: exit code {done.returncode}: {done.stdout.strip()}'
            )
        return done.stdout

    def read(self, path):
        """Reads a file of /proc/net or /proc/sys as this namespace shows it."""
        if path.startswith('/proc/net/'):
            path = path.replace('/proc/net/', '/proc/thread-self/net/')
        # What engines of C IPVS go by may be any bytes.
        with self, open(path, encoding='utf-8', errors='replace') as file:
            return file.read()

    def write(self, path, text):
        """Writes a file of /proc/sys."""
        with self, open(path, 'w', encoding='utf-8') as file:
            file.write(str(text))


def make(name):
    """Makes a namespace with its loopback up."""
    subprocess.run(['ip', 'netns', 'add', name], check=True)
    subprocess.run(['ip', '-n', name, 'link', 'set', 'lo', 'up'], check=True)
    return Netns(name)


def remove(space):
    """Removes what make() made."""
    space.close()
    subprocess.run(['ip', 'netns', 'del', space.name], check=True)
