"""Text of tools for genes, whose heads are no comments of other files: GCT, and GEO's matrices."""

from __future__ import annotations

from trulysparse.readers.dialect import Options

_GCT = (b"#1.2", b"#1.3")
_GEO = (b"!Series_", b"!Sample_", b"!series_matrix_table", b"!dataset_table", b"^")


def prepared(content: bytes, options: Options) -> tuple[bytes, Options, int]:
    """Make comments of such a head, and give how many columns describe the genes."""
    if content.startswith(_GEO) and options.comment is None:
        return content, options._replace(comment="!^#"), 0
    first, _, rest = content.partition(b"\n")
    counts = rest.partition(b"\n")[0].split()
    if first.rstrip() not in _GCT or not all(count.isdigit() for count in counts):
        return content, options, 0
    columns = 1 if first.startswith(b"#1.2") else int(counts[2]) if len(counts) > 2 else 0
    return first + b"\n#" + rest, options, columns
