#!/usr/bin/env python3
"""Words that do not belong into the tracked files, each with what to write in its place; also file
sizes, stray debug output, and forbidden calls. A line may keep a word by ending in `lint:allow`."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ANY, CODE, PRODUCT = "any", "code", "product"  # all text | C++ | C++ of src/ that is no test
SLASH = "/"  # the patterns below must not match this file
RULES = [
    (ANY, r"\b(TODO|FIXME|XXX|HACK)\b(?!\((perf|security|compat|scale)\))",
     "a mark without a type; say it in an issue, or TODO(perf|security|compat|scale)"),
    (ANY, rf"(?<![\w.])[{SLASH}](work|farm)[{SLASH}][a-z.]", "a path of one machine"),
    (ANY, rf"[{SLASH}](home|Users)[{SLASH}][a-z]\w+[{SLASH}]", "a path of one person's machine"),
    (ANY, r"\b(sub-?agent|co-authored-by: *claude|as an ai\b)", "a word about the making, not about Weft"),
    (ANY, r"^(<<<<<<<|>>>>>>>) ", "a merge mark"),
    (CODE, r"\bstd::(regex|iostream|format)\b", "RE2, fmt or plain code; libstdc++ 12 lacks or bloats it"),
    (PRODUCT, r"\busing namespace (?!weft;|std::(chrono_literals|string_view_literals|string_literals))",
     "a using declaration per name"),
    (PRODUCT, r"\b(strcpy|strcat|sprintf|gets|strtok|atol|atof)\s*\(", "the checked counterpart"),
    (PRODUCT, r"\b(assert|abort)\s*\(", "WEFT_ASSERT"),
    (PRODUCT, r"\b(throw)\s+[\w:]", "Result<T>; exceptions end at third-party edges"),
    (PRODUCT, r"\bstd::(cout|cerr|clog)\b", "the log, or fmt::print in app/"),
    (PRODUCT, r"\b(std::)?this_thread::sleep_for|(?<!\w)u?sleep\s*\(", "a timer of the loop"),
]
TEXT = {".cc", ".h", ".py", ".sh", ".md", ".txt", ".yaml", ".yml", ".js", ".mjs", ".json", ".proto", ".cmake", ".html",
        ".css", ".conf", ""}
COMMENT = re.compile(r"//.*$")
MAX_LINES = 600  # one concept a file; about 400 is the aim
MAX_BYTES = 512 * 1024


def tracked():
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in listing.decode().split("\0") if name]


def scopes_of(path):
    scopes = {ANY}
    if path.suffix in (".cc", ".h"):
        scopes.add(CODE)
        if path.parts[len(ROOT.parts)] == "src" and "test" not in path.stem and path.name != "assert.cc":
            scopes.add(PRODUCT)
    return scopes


def main():
    compiled = [(scope, re.compile(pattern, re.I if scope == ANY and "agent" in pattern else 0), advice)
                for scope, pattern, advice in RULES]
    faults, files = [], 0
    for path in tracked():
        name = path.relative_to(ROOT)
        if not path.is_file() or path.is_symlink() or path == pathlib.Path(__file__).resolve():
            continue
        if path.stat().st_size > MAX_BYTES:
            faults.append(f"{name}: {path.stat().st_size} bytes; data of this size does not belong here")
            continue
        if path.suffix not in TEXT or path.name == "package-lock.json" or "corpus" in name.parts:
            continue
        files += 1
        scopes = scopes_of(path)
        lines = path.read_text(errors="replace").splitlines()
        if CODE in scopes and len(lines) > MAX_LINES:
            faults.append(f"{name}: {len(lines)} lines; more than {MAX_LINES} are more than one concept")
        for number, line in enumerate(lines, 1):
            if line.endswith("lint:allow"):
                continue
            for scope, pattern, advice in compiled:
                subject = COMMENT.sub("", line) if scope != ANY else line
                if scope in scopes and pattern.search(subject):
                    faults.append(f"{name}:{number}: {line.strip()[:80]}\n    → {advice}")
    for fault in faults:
        print(fault)
    print(f"words: {files} files, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
