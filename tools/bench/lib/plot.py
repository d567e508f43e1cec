# SPDX-License-Identifier: GPL-2.0
"""The tables as one picture: bars for each cell, and the cost of a look-up by the number of connections."""

import math
from xml.sax.saxutils import escape

from . import counting, scale

COLOURS = {
    "c": "#8a8f98",
    "c20": "#c3c7cd",
    "nft": "#d9a441",
    "flowtable": "#8f9a3b",
    "floor": "#4f7d5c",
    "rust": "#b7410e",
    "rust-fast0": "#cf7c57",
    "rust-fast2": "#7d2c09",
    "rust-other": "#e39b78",
}
WIDTH, LEFT, BAR, GAP, PANEL_GAP = 860, 210, 11, 9, 46
LINES_HEIGHT = 240


class Drawing:
    """SVG elements, one after the other."""

    def __init__(self):
        self.elements = []

    def text(self, x, y, words, anchor="start", size=12, weight="normal", colour="#222"):
        self.elements.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
            f'font-weight="{weight}" fill="{colour}">{escape(words)}</text>'
        )

    def box(self, x, y, width, height, colour):
        self.elements.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height}" '
            f'fill="{colour}"/>'
        )

    def line(self, points, colour, width=1.0):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.elements.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
        )

    def document(self, height):
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
            f'viewBox="0 0 {WIDTH} {height:.0f}" font-family="sans-serif">'
        )
        return "\n".join(
            [head, '<rect width="100%" height="100%" fill="#fff"/>', *self.elements, "</svg>", ""]
        )


def legend(drawing, implementations, y):
    x = LEFT
    for one in implementations:
        drawing.box(x, y - 10, 12, 12, COLOURS[one.name])
        drawing.text(x + 17, y, one.words, size=11)
        x += 30 + 6.2 * len(one.words)


def bars(drawing, y, title, cells, implementations, values):
    """A panel: for each cell one bar for each balancer. Returns where the next panel may begin."""
    most = max(
        (values[one.name].get(cell.name) or 0 for one in implementations for cell in cells),
        default=0,
    )
    step = (WIDTH - LEFT - 70) / most if most > 0 else 0
    drawing.text(16, y, title, size=14, weight="bold")
    y += 14
    for cell in cells:
        shown = [(one, values[one.name].get(cell.name)) for one in implementations]
        shown = [(one, value) for one, value in shown if value is not None]
        words = f"{counting.WAY_WORDS[cell.way]}, {counting.LOAD_WORDS[cell.load]}"
        drawing.text(LEFT - 8, y + BAR * len(shown) / 2 + 4, words, anchor="end")
        for one, value in shown:
            drawing.box(LEFT, y, value * step, BAR - 1, COLOURS[one.name])
            drawing.text(
                LEFT + max(value, 0) * step + 5,
                y + BAR - 2,
                f"{value:,.0f}",
                size=10,
                colour="#555",
            )
            y += BAR
        y += GAP
    return y + PANEL_GAP - GAP


def curves(drawing, y, implementations, found):
    """Look-up cost by the number of connections: one line for each balancer, connections on a logarithmic scale."""
    drawing.text(
        16,
        y,
        "DR, established: instructions per packet by the number of connections",
        size=14,
        weight="bold",
    )
    top, bottom = y + 20, y + LINES_HEIGHT
    points = [
        (size, row["instructions"], name)
        for name, rows in found.items()
        for size, row in rows.items()
    ]
    if not points:
        drawing.text(LEFT, top + 20, "not measured")
        return bottom
    most = max(value for _, value, _ in points) * 1.05
    low, high = math.log10(scale.SIZES[0]), math.log10(scale.SIZES[-1])

    def place(size, value):
        along = (math.log10(size) - low) / (high - low)
        return LEFT + along * (WIDTH - LEFT - 120), bottom - value / most * (bottom - top)

    drawing.line([(LEFT, top), (LEFT, bottom), (WIDTH - 90, bottom)], "#222")
    for size in scale.SIZES:
        drawing.text(place(size, 0)[0], bottom + 16, scale.WORDS[size], anchor="middle", size=11)
    for one in implementations:
        curve = sorted((size, value) for size, value, name in points if name == one.name)
        if curve:
            drawing.line([place(*point) for point in curve], COLOURS[one.name], 2.5)
            x, end = place(*curve[-1])
            drawing.text(
                x + 8, end + 4, f"{one.name} {curve[-1][1]:,.0f}", size=11, colour=COLOURS[one.name]
            )
    return bottom + PANEL_GAP


def draw(path, implementations, cells, values, look_up):
    """Writes the picture."""
    drawing = Drawing()
    drawing.text(
        16,
        28,
        "Instructions per packet over plain forwarding of the same packet: less is better",
        size=16,
        weight="bold",
    )
    legend(drawing, implementations, 52)
    y = 90
    for kind in dict.fromkeys(cell.kind for cell in cells):
        title = f"{kind.protocol.upper()} over IPv{kind.family}"
        y = bars(
            drawing,
            y,
            title,
            [cell for cell in cells if cell.kind == kind],
            implementations,
            values,
        )
    y = curves(drawing, y, implementations, look_up)
    path.write_text(drawing.document(y))
