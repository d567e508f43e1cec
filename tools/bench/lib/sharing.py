# SPDX-License-Identifier: GPL-2.0
"""Instructions and shared cache lines of new connections that 1, 2 and 4 CPUs make at once.

Each CPU of a guest sends the first packets of its own clients to one service, by DR. A plugin of
the emulator counts the instructions of the module, exactly, and the stores of the kernel by cache
line. A line that all CPUs write with each connection would slow them down together. Plain
forwarding of as many packets is counted first, and its lines are left out.
"""

import sys

from . import cells, guest, packets, profile, tables

UDP = packets.KINDS["udp"]
PROCESSORS = (1, 2, 4)
# So many by all processors together, so that the table has the same size in the end.
CONNECTIONS = 16_000
# The least part of the stores to a shared line that is by others than the CPU that writes it most.
OTHERS = 0.1
# What the kernel executes while a processor waits for a lock that another one has.
WAITING = "native_queued_spin_lock_slowpath"
MODULES = {"rust": "[rust_ipvs]", "c": "[ip_vs"}
ROWS = {
    "own": "instructions of the module",
    "waiting": "instructions while waiting for a lock",
    "stores": "stores to lines that others write too",
    "most": "to the line of these that is written most",
}


def bursts(destination, processors):
    each = CONNECTIONS // processors
    return [
        packets.each_flow(UDP, destination, each, number * each)[0] for number in range(processors)
    ]


def counted(name, destination, processors):
    send = {**cells.send(name, bursts(destination, processors)), "together": True}
    return [{"mark": 1}, send, {"mark": 0}]


def plan(implementation, processors):
    steps = implementation.load() + implementation.service(UDP, "dr")
    steps += counted("new", packets.VIP[4], processors)
    steps.append({"copy": "/proc/kallsyms", "file": "kallsyms"})
    return [
        {"name": cells.FORWARD, "steps": counted("new", packets.SERVERS[4][0], processors)},
        {"name": implementation.name, "steps": steps + implementation.unload()},
    ]


def read(path, symbols):
    """Returns, by region, instructions by function, and stores by shared line.

    A line that others write seldom, as the CPU that cleared its memory, is not shared.
    """
    instructions, lines = {}, {}
    for line in path.read_text().splitlines():
        words = line.split()
        if words[1] == "line":
            times, others = int(words[3]), int(words[4])
            if others >= OTHERS * times:
                lines.setdefault(int(words[0]), {})[words[2]] = times
        else:
            name, _ = symbols.find(int(words[1], 16))
            functions = instructions.setdefault(int(words[0]), {})
            functions[name] = functions.get(name, 0) + int(words[2]) * int(words[3])
    return instructions, lines


def evaluate(folder, module):
    instructions, lines = read(folder / "profile.out", profile.Symbols(folder / "kallsyms"))

    def sum_of(region, part):
        return sum(count for name, count in instructions[region].items() if part in name)

    shared = [count for line, count in lines.get(1, {}).items() if line not in lines.get(0, {})]
    waiting = sum_of(1, WAITING) - sum_of(0, WAITING)
    values = {
        "own": sum_of(1, module),
        "waiting": max(waiting, 0),
        "stores": sum(shared),
        "most": max(shared, default=0),
    }
    return {key: value / CONNECTIONS for key, value in values.items()}


def fill(implementation):
    """Returns, by number of CPUs, a value for each of ROWS, for one connection."""
    found = {}
    for processors in PROCESSORS:
        name = f"sharing-{implementation.name}-{processors}"
        folder = guest.OUT / name
        out = folder / "profile.out"
        folder.mkdir(parents=True, exist_ok=True)
        out.unlink(missing_ok=True)
        options = ["--plugin", f"{profile.plugin()},out={out},stores=on", "--smp", str(processors)]
        cell = cells.Cell(UDP, "dr", "new")
        try:
            measured = guest.run(
                name, plan(implementation, processors), options, accel=guest.COUNTING[1:]
            )
        except guest.Failed as failure:
            print(f"bench: {implementation.name}: {failure}", file=sys.stderr)
            measured = {}
        results = [measured.get((run, "new")) for run in (cells.FORWARD, implementation.name)]
        whole = all(result and cells.complete(result, cell) for result in results)
        found[str(processors)] = evaluate(folder, MODULES[implementation.name]) if whole else None
    return found


def show(found):
    head = [""] + [f"{name}, {count}" for count in PROCESSORS for name in found]
    rows = []
    for key, words in ROWS.items():
        every = [values.get(str(count)) for count in PROCESSORS for values in found.values()]
        rows.append([words, *[tables.decimal(values and values[key]) for values in every]])
    tables.show("New connections by so many processors at once, DR: each of them", head, rows)
