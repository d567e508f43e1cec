# SPDX-License-Identifier: GPL-2.0
"""Tables for a terminal or a file: plain text, and colour where somebody looks at it."""

import os
import sys

COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
GREEN, RED, BOLD = "32", "31", "1"


def paint(text, code):
    return f"\033[{code}m{text}\033[0m" if COLOUR and code else text


def number(value):
    return "not measured" if value is None else f"{value:,.0f}"


def decimal(value):
    """As number(), with two digits more where it is small."""
    return number(value) if value is None or abs(value) >= 10 else f"{value:.2f}"


def verdict(target):
    """A target's limit and whether it is met, as text and colour."""
    if target is None:
        return "", ""
    words = "met" if target.met else "NOT MET"
    return f"<= {decimal(target.limit)} ({target.words}) {words}", GREEN if target.met else RED


def show(title, head, rows):
    """Prints a table. A field is text, or (text, colour)."""
    rows = [[field if isinstance(field, tuple) else (field, "") for field in row] for row in rows]
    widths = [
        max(len(column) for column in columns)
        for columns in zip(head, *[[text for text, _ in row] for row in rows])
    ]
    print("\n" + paint(title, BOLD))
    print(
        "  ".join(
            word.ljust(width) if at == 0 else word.rjust(width)
            for at, (word, width) in enumerate(zip(head, widths))
        ).rstrip()
    )
    for row in rows:
        fields = []
        for at, ((text, colour), width) in enumerate(zip(row, widths)):
            padded = text.ljust(width) if at == 0 or at == len(row) - 1 else text.rjust(width)
            fields.append(paint(padded, colour))
        print("  ".join(fields).rstrip())
