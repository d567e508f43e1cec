# SPDX-License-Identifier: GPL-2.0
"""The module's file: $RUST_IPVS_KO, else that of the last build, else the installed one."""

import os
import subprocess

BUILT = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), '../../../../../build/rust_ipvs.ko'
)


def find():
    """Returns the path of the file, or '' if there is none."""
    given = os.environ.get('RUST_IPVS_KO')
    if given or os.path.exists(BUILT):
        return given or BUILT
    found = subprocess.run(
        ['modinfo', '-n', 'rust_ipvs'],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return found.stdout.strip()


KO = find()
