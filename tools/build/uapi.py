#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Writes and checks what has the numbers of the netlink families: they come from ipvs.yaml and
ripvs.yaml.

usage: uapi.py [--write]

The constants of the module and of the tool's library are generated; without --write they have to
be as they would be written. The kernel's header has the names of ipvs.yaml with the same numbers,
the tables of netlink.rst have a row for each, of the same type, and what ripvs.yaml has in common
with ipvs.yaml has the same number there. The specifications are read by the kernel's own YNL
library, and checked by its schema: tools/build/ynl.sh puts these into build/ynl.
"""

import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
YNL = ROOT / 'build/ynl'
SPEC = 'Documentation/netlink/specs/ipvs.yaml'
SPEC_OF_OURS = 'Documentation/netlink/specs/ripvs.yaml'

# Where the constants go, and the license of each place.
LIBRARY = 'GPL-2.0-only OR MIT OR Apache-2.0'
RUST = {
    SPEC: {
        'rust_ipvs/logic/uapi.rs': ('GPL-2.0', 'srctree/include/uapi/linux/ip_vs.h'),
        'tools/ripvsadm/ipvs-netlink/src/uapi.rs': (LIBRARY, None),
    },
    SPEC_OF_OURS: {
        'rust_ipvs/logic/ripvs/uapi.rs': ('GPL-2.0', None),
        'tools/ripvsadm/ipvs-netlink/src/ripvs/uapi.rs': (LIBRARY, None),
    },
}

# The enum of ripvs.yaml that the module has as an enum, and the library as a table with its texts.
REASON = 'reason'
REASON_OF_MODULE = 'rust_ipvs/logic/reason.rs'
REASON_OF_LIBRARY = 'tools/ripvsadm/ipvs-netlink/src/ripvs/reason_table.rs'

# Attribute sets of ripvs.yaml, and those of ipvs.yaml that have the same numbers. Statistics are
# those of 64 bits.
ALIKE = {'service': 'svc', 'dest': 'dest', 'stats': 'stats'}

# Prefixes of the header's names that ipvs.yaml has all of, and those names that only C needs.
PREFIXES = re.compile(
    r'IPVS_(CMD|SVC|DEST|DAEMON|STATS|INFO)_|IP_VS_(SVC_F|STATE)_|IP_VS_TUNNEL_ENCAP_FLAG_'
)
ONLY_C = re.compile(r'_(UNSPEC|MAX|NONE|NOCSUM)$|IP_VS_CONN_F_TUNNEL_TYPE_MAX')

# The tables of netlink.rst: the beginning of the heading, and the attribute set.
TABLES = {
    'Of a command': 'cmd',
    'Of a service': 'svc',
    'Of a destination': 'dest',
    'Of statistics': 'stats',
    'Of a daemon': 'daemon',
    'Of general information': 'info',
}

# How netlink.rst writes a type: the second column must begin so.
TYPES = {'nest': 'nested', 'string': 'string'}


def load(name):
    """A specification, as the kernel's YNL library reads it."""
    if not (YNL / 'MAINTAINERS').exists():
        sys.exit('uapi: there is no build/ynl: "make ynl" makes it')
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(YNL / 'tools/net/ynl/pyynl'), str(YNL / 'python')]
    from lib import SpecFamily  # pylint: disable=import-error,import-outside-toplevel

    schema = YNL / 'Documentation/netlink/genetlink-legacy.yaml'
    return SpecFamily(str(ROOT / name), schema_path=str(schema))


def constant(name):
    return name.upper().replace('-', '_')


def commands(spec):
    """The commands by their C names."""
    prefix = spec.yaml['operations']['name-prefix']
    return [
        (constant(prefix + name), constant(name), op.req_value) for name, op in spec.msgs.items()
    ]


def definitions(spec):
    """The enums: name, prefix, entries as (name, number)."""
    for name, enum in spec.consts.items():
        if enum['type'] in ('enum', 'flags'):
            entries = [
                (constant(entry.name), entry.user_value()) for entry in enum.entries.values()
            ]
            yield name, constant(enum['name-prefix']), enum['type'], entries


def limits(spec):
    for name, definition in spec.consts.items():
        if definition['type'] == 'const':
            full = constant(definition['name-prefix'] + name)
            yield full, constant(name), definition['value'], definition['doc']


def sets(spec):
    """The attribute sets with numbers of their own."""
    return [(name, attrs) for name, attrs in spec.attr_sets.items() if not attrs.subset_of]


def width(spec, name):
    """The integer that carries an enum."""
    for attrs in spec.attr_sets.values():
        for _, attr in attrs.items():
            if attr.yaml.get('enum') == name:
                return attr.type
    return 'u32'


def rust(spec, source, license_, header):
    """The source of a Rust module with the numbers of a specification."""
    out = [
        f'// SPDX-License-Identifier: {license_}',
        f'// Written by tools/build/uapi.py from {source}: change that.',
        '',
        f'//! Numbers of the generic netlink family `{spec.yaml["name"]}`.',
    ]
    if header:
        out += ['//!', f'//! C header: [`{header.removeprefix("srctree/")}`]({header})']
    out += ['', '// All of them, needed or not.', '#![allow(dead_code)]', '']

    def module(name, what, kind, entries, form):
        out.extend([f'/// {what}', f'pub(crate) mod {name} {{'])
        out.extend(
            f'    pub(crate) const {entry}: {kind} = {form(number)};' for entry, number in entries
        )
        out.extend(['}', ''])

    out.extend(
        [
            f'/// `{constant(spec.yaml["c-version-name"])}`.',
            f'pub(crate) const GENL_VERSION: u8 = {spec.yaml["version"]};',
            '',
        ]
    )
    for full, name, value, doc in limits(spec):
        out.extend(
            [
                f'/// {doc.strip()[:-1]} (`{full}`).',
                f'pub(crate) const {name}: usize = {value};',
                '',
            ]
        )
    prefix = constant(spec.yaml['operations']['name-prefix'])
    module(
        'command',
        f'Commands (`{prefix}*`).',
        'u8',
        [(name, number) for _, name, number in commands(spec)],
        str,
    )
    for name, attrs in sets(spec):
        module(
            f'{name}_attr',
            f'Attributes (`{constant(attrs.yaml["name-prefix"])}*`).',
            'u16',
            [(constant(attr.name), attr.value) for _, attr in attrs.items()],
            str,
        )
    for name, prefix, kind, entries in definitions(spec):
        what = 'Flags' if kind == 'flags' else 'Values'
        module(
            name.replace('-', '_'),
            f'{what} (`{prefix}*`).',
            width(spec, name),
            entries,
            hex if kind == 'flags' else str,
        )
    return '\n'.join(out[:-1]) + '\n'


def reasons(spec):
    """The reasons: name, number, text without its first word, that word."""
    for entry in spec.consts[REASON].entries.values():
        verdict, _, text = ' '.join(entry.doc.split()).partition(': ')
        yield entry.name, entry.user_value(), text, verdict


def wrapped(indent, mark, text):
    """A comment of at most 100 columns."""
    return [
        indent + line
        for line in textwrap.wrap(
            text, 100 - len(indent), initial_indent=mark, subsequent_indent=mark
        )
    ]


def reason_of_module(spec):
    """The source of the module's enum."""
    out = [
        '// SPDX-License-Identifier: GPL-2.0',
        f'// Written by tools/build/uapi.py from {SPEC_OF_OURS}: change that.',
        '',
        '//! [`Reason`]: why a packet was dropped, refused or left untouched.',
        '',
        *wrapped(
            '',
            '/// ',
            'Reason for which a packet of a service was dropped, refused or left untouched, a '
            'connection ended or a sync message ignored.',
        ),
        '#[derive(Clone, Copy, Debug, PartialEq, Eq)]',
        '#[repr(u8)]',
        'pub(crate) enum Reason {',
    ]
    names = []
    for name, number, text, verdict in reasons(spec):
        names.append(''.join(map(str.capitalize, name.split('-'))))
        out += wrapped('    ', '/// ', f'{verdict}: {text}')
        out.append(f'    {names[-1]} = {number},')
    out += [
        '}',
        '',
        'impl Reason {',
        '    /// Number of reasons.',
        f'    pub(crate) const COUNT: usize = {len(names)};',
        '',
        '    /// All reasons, in the order of their numbers.',
        '    pub(crate) const ALL: [Self; Self::COUNT] = [',
        *(f'        Self::{name},' for name in names),
        '    ];',
        '',
        '    /// Returns the index of its counter.',
        '    #[inline(always)]',
        '    pub(crate) fn index(self) -> usize {',
        '        (self as usize).saturating_sub(1)',
        '    }',
        '}',
    ]
    return '\n'.join(out) + '\n'


def reason_of_library(spec):
    """The source of the library's table."""
    out = [
        f'// SPDX-License-Identifier: {LIBRARY}',
        f'// Written by tools/build/uapi.py from {SPEC_OF_OURS}: change that.',
        '',
        '//! The reasons with their names and texts.',
        '',
        'use super::reason::{Reason, Verdict};',
        '',
        '/// All reasons, in the order of their numbers.',
        'pub(crate) static REASONS: &[Reason] = &[',
    ]
    for name, number, text, verdict in reasons(spec):
        out += [
            '    Reason {',
            f'        number: {number},',
            f'        name: "{name}",',
            f'        verdict: Verdict::{verdict},',
            f'        text: "{text}",',
            '    },',
        ]
    return '\n'.join([*out, '];']) + '\n'


def generated(specs):
    """The generated files: name, text and the specification."""
    for source, places in RUST.items():
        for name, (license_, header) in places.items():
            yield name, rust(specs[source], source, license_, header), source
    ours = specs[SPEC_OF_OURS]
    yield REASON_OF_MODULE, reason_of_module(ours), SPEC_OF_OURS
    yield REASON_OF_LIBRARY, reason_of_library(ours), SPEC_OF_OURS


def check_reasons(spec):
    """The table of why.rst against the specification."""
    text = (ROOT / 'Documentation/why.rst').read_text()
    rows = re.findall(r'\* - ``([a-z-]+)``\n +- ([A-Z]\w+)\n +- ((?:.|\n {7})+)\n +- ', text)
    table = [(name, verdict, ' '.join(words.split())) for name, verdict, words in rows]
    wanted = [(name, verdict, words) for name, _, words, verdict in reasons(spec)]
    if table != wanted:
        odd = sorted(set(table) ^ set(wanted)) or 'the order'
        yield f'why.rst: {odd} is not that of {SPEC_OF_OURS}'


def value_of(text):
    """A number of C, or a shift of one."""
    if shift := re.fullmatch(r'\((\d+) << (\d+)\)', text):
        return int(shift[1]) << int(shift[2])
    return int(text, 0)


def numbers_of_header(text):
    """The names of a C header with their numbers: those of enums and of simple defines."""
    text = re.sub(r'/\*.*?\*/', '', text, flags=re.S)
    found = {}
    for body in re.findall(r'enum[^{;]*\{(.*?)\}', text, re.S):
        value = -1
        for entry in filter(None, map(str.strip, body.split(','))):
            name, _, given = map(str.strip, entry.partition('='))
            value = value_of(given) if given else value + 1
            found[name] = value
    define = r'^#define\s+(\w+)\s+(0x[0-9a-fA-F]+|\d+|\(\d+ << \d+\))\s*$'
    for name, number in re.findall(define, text, re.M):
        found[name] = value_of(number)
    return found


def check_header(spec):
    """The kernel's header against the specification."""
    header = numbers_of_header((YNL / 'include/linux/ip_vs.h').read_text())
    ours = {full: number for full, _, number in commands(spec)}
    ours |= {full: value for full, _, value, _ in limits(spec)}
    ours[constant(spec.yaml['c-version-name'])] = spec.yaml['version']
    for _, attrs in sets(spec):
        prefix = attrs.yaml['name-prefix']
        ours |= {constant(prefix + attr.name): attr.value for _, attr in attrs.items()}
    for _, prefix, _, entries in definitions(spec):
        ours |= {prefix + name: number for name, number in entries}
    for name, number in ours.items():
        if name not in header:
            yield f'{SPEC}: linux/ip_vs.h has no {name}'
        elif header[name] != number:
            yield f'{SPEC}: {name} is {number}, and {header[name]} in linux/ip_vs.h'
    for name in header:
        if PREFIXES.match(name) and not ONLY_C.search(name) and name not in ours:
            yield f'{SPEC}: {name} of linux/ip_vs.h is missing'


def type_in_table(attr):
    """How netlink.rst writes the type of an attribute."""
    if attr.byte_order == 'big-endian':
        return attr.type.replace('u', 'be')
    if attr.type == 'binary':
        checks = attr.yaml['checks']
        if 'exact-len' in checks:
            return f'{checks["exact-len"]} bytes'
        return (
            f'{checks["max-len"]} bytes' if attr.struct_name else f'up to {checks["max-len"]} bytes'
        )
    return TYPES.get(attr.type, attr.type)


def check_document(spec):
    """The tables of netlink.rst against the specification."""
    text = (ROOT / 'Documentation/netlink.rst').read_text()
    parts = {}
    for part in re.split(r'\n(?=[^\n]+\n(?:=|-){4,}\n)', text):
        parts[part.lstrip('\n').split('\n', 1)[0]] = part

    def rows(heading):
        part = next((part for name, part in parts.items() if name.startswith(heading)), '')
        return [
            (int(number), name, rest)
            for number, name, rest in re.findall(r'^(\d+) +``(\w+)`` *(.*)$', part, re.M)
        ]

    def differ(heading, found, wanted):
        if found != wanted:
            odd = sorted(set(found) ^ set(wanted)) or 'the order'
            yield f'netlink.rst, {heading}: {odd} is not that of {SPEC}'

    yield from differ(
        'Commands',
        [(number, name) for number, name, _ in rows('Commands')],
        [(number, name) for _, name, number in commands(spec)],
    )
    for heading, name in TABLES.items():
        attrs = spec.attr_sets[name].attrs
        table = rows(heading)
        yield from differ(
            heading,
            [(number, name) for number, name, _ in table],
            [(attr.value, constant(attr.name)) for attr in attrs.values()],
        )
        # What statistics have for a type is said above their table.
        for number, attribute, rest in table if name != 'stats' else []:
            attr = spec.attr_sets[name].attrs_by_val.get(number)
            if attr and not rest.startswith(type_in_table(attr)):
                yield f'netlink.rst, {heading}: {attribute} is of type "{type_in_table(attr)}"'


def check_alike(spec, ours):
    """What both families have, by its numbers."""
    for name, other in ALIKE.items():
        known = spec.attr_sets[other].attrs
        # Statistics of a service or destination are those of 64 bits, under their number.
        numbers = {attr.name: attr.value for attr in known.values()}
        if 'stats64' in numbers:
            numbers['stats'] = numbers.pop('stats64')
        for attr in ours.attr_sets[name].attrs.values():
            if numbers.get(attr.name, attr.value) != attr.value:
                yield f'{SPEC_OF_OURS}: {name}, {attr.name} has another number in {SPEC}'


def main():
    specs = {name: load(name) for name in RUST}
    spec = specs[SPEC]
    objections = [*check_header(spec), *check_document(spec)]
    objections += check_alike(spec, specs[SPEC_OF_OURS])
    objections += check_reasons(specs[SPEC_OF_OURS])
    for name, text, source in generated(specs):
        path = ROOT / name
        if sys.argv[1:] == ['--write']:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            objections.append(f'{name} is not what {source} says: "make uapi" writes it')
    print('\n'.join(objections) or 'uapi: header, constants and tables are as specified')
    sys.exit(bool(objections))


main()
