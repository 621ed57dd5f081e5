"""Tell what valgrind has found of the compiled core, among what it says of CPython and NumPy.

CPython alone gives hundreds of findings: it reads digits of small integers that were never written,
and never frees what lives as long as the process. So only those count that have the core in one of
their stacks: where memory was used, allocated or freed.
"""

import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

CORE = "_core.abi3"
# Allocated once for the life of the process, and kept where valgrind does not look.
ONCE = {
    "PyMemberDef": "PyO3's tables of the members of a class",
    "insert_shared": "rust-numpy's capsule, of all arrays that are borrowed",
}


def text(node: ET.Element, name: str) -> str:
    return node.findtext(name) or ""


def main(path: Path) -> int:
    counts: Counter[str] = Counter()
    found = []
    for error in ET.parse(path).getroot().iter("error"):
        frames = list(error.iter("frame"))
        names = " ".join(text(frame, "fn") for frame in frames)
        if not any(CORE in text(frame, "obj") for frame in frames):
            counts["without the core"] += 1
        elif text(error, "kind").startswith("Leak_") and any(key in names for key in ONCE):
            counts["kept for the process's life"] += 1
        else:
            found.append(error)
    for error in found:
        print(text(error, "kind"), text(error, "what"), error.findtext("xwhat/text") or "")
        for stack in error.iter("stack"):
            for frame in stack.iter("frame"):
                print("    ", text(frame, "fn"), text(frame, "file"), text(frame, "line"))
            print()
    for what, count in counts.items():
        print(f"{count} findings {what}")
    print(f"{len(found)} findings of the core")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
