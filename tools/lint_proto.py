#!/usr/bin/env python3
"""Field numbers are for ever: a number that was once used for a field keeps its name and type, or is
listed as reserved. tools/proto_numbers.lock holds every number ever used.

    tools/lint_proto.py            compare, fail on reuse; fail also if new numbers are not in the lock
    tools/lint_proto.py --update   add new numbers to the lock (never changes or removes an entry)"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOCK = ROOT / "tools/proto_numbers.lock"
TOKEN = re.compile(r'"[^"]*"|[A-Za-z_][\w.]*|\d+|[{}=;<>,\[\]()]')


def parse(path):
    """({'package.Message': {number: 'name type'}}, {'package.Message': reserved numbers})."""
    text = re.sub(r"//[^\n]*", "", path.read_text())
    tokens = TOKEN.findall(re.sub(r"/\*.*?\*/", "", text, flags=re.S))
    fields, reserved, scopes = {}, {}, []
    package, statement = "", []
    for token in tokens:
        if token == "{":
            if statement[0] in ("message", "enum"):
                scopes.append((statement[0], statement[1]))
                name = ".".join([package, *(s[1] for s in scopes if s[1])])
                fields.setdefault(name, {})
            else:  # oneof, service: transparent
                scopes.append((statement[0] if statement[0] != "oneof" else "message", ""))
            statement = []
        elif token == "}":
            scopes.pop()
            statement = []
        elif token == ";":
            if statement and statement[0] == "package":
                package = statement[1]
            elif scopes and statement:
                name = ".".join([package, *(s[1] for s in scopes if s[1])])
                if statement[0] == "reserved":
                    reserved.setdefault(name, set()).update(ranges(statement[1:]))
                elif "=" in statement and statement[0] != "option":
                    at = statement.index("=")
                    kind = "".join(t if t in "<>," else f" {t}" for t in statement[:at - 1]).strip()
                    fields[name][int(statement[at + 1])] = f"{statement[at - 1]} {kind or 'value'}"
            statement = []
        else:
            statement.append(token)
    return fields, reserved


def ranges(tokens):
    numbers = set()
    for index, token in enumerate(tokens):
        if token.isdigit():
            numbers.add(int(token))
            if index >= 2 and tokens[index - 1] == "to":
                numbers.update(range(int(tokens[index - 2]), int(token)))
    return numbers


def read_lock():
    lock = {}
    if LOCK.exists():
        for line in LOCK.read_text().splitlines():
            if line and not line.startswith("#"):
                message, number, field = line.split(" ", 2)
                lock.setdefault(message, {})[int(number)] = field
    return lock


def main():
    fields, reserved = {}, {}
    for path in sorted((ROOT / "proto").glob("*.proto")):
        more_fields, more_reserved = parse(path)
        fields.update(more_fields)
        reserved.update(more_reserved)
    lock = read_lock()
    faults, new = [], []
    for message, known in lock.items():
        for number, field in known.items():
            now = fields.get(message, {}).get(number)
            if now is None and number not in reserved.get(message, set()) and message in fields:
                faults.append(f"{message}: field {number} ({field}) is gone; write `reserved {number};`")
            elif now is not None and now != field:
                faults.append(f"{message}: field {number} was `{field}` and is now `{now}`; take a new number")
    for message, now in fields.items():
        for number, field in now.items():
            if number not in lock.get(message, {}):
                new.append((message, number, field))
                lock.setdefault(message, {})[number] = field
    if "--update" in sys.argv[1:] and not faults:
        lines = ["# Every field number ever used, written by tools/lint_proto.py --update. Entries stay for ever."]
        for message in sorted(lock):
            lines += [f"{message} {number} {lock[message][number]}" for number in sorted(lock[message])]
        LOCK.write_text("\n".join(lines) + "\n")
    else:
        faults += [f"{m}: field {n} ({f}) is new: run tools/lint_proto.py --update and commit the lock"
                   for m, n, f in new]
    for fault in faults:
        print(fault)
    print(f"proto: {sum(map(len, fields.values()))} numbers, {len(new)} new, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
