"""Model files taken apart and put together, with the checksums that they then have."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

PIECE = 1 << 20  # bytes that have a checksum of their own

Header = dict[str, Any]
Tensors = dict[str, list[Any]]


def split(raw: bytes) -> tuple[Header, bytes]:
    """The header of a safetensors file, and what follows it."""
    length = int.from_bytes(raw[:8], "little")
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def joined(header: Header, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def resummed(raw: bytes) -> bytes:
    """The file, which has the right number of checksums, with those that fit the rest of it."""
    header, data = split(raw)
    sums = [zlib.crc32(raw[: len(raw) - len(data)])]
    infos = {name: info for name, info in header.items() if name != "__metadata__"}
    begin, end = infos.pop("checksums")["data_offsets"]
    for start, stop in sorted(info["data_offsets"] for info in infos.values()):
        sums += [zlib.crc32(data[k : min(k + PIECE, stop)]) for k in range(start, stop, PIECE)]
    new = b"".join(number.to_bytes(4, "little") for number in sums)
    assert len(new) == end - begin
    at = len(raw) - len(data) + begin
    return raw[:at] + new + raw[at + len(new) :]


def tensors_of(path: Path) -> tuple[dict[str, str] | None, Tensors]:
    """The metadata and, by name, [dtype, shape, bytes] of all tensors but the checksums."""
    header, data = split(path.read_bytes())
    metadata = header.pop("__metadata__", None)
    tensors: Tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = [entry["dtype"], entry["shape"], data[begin:end]]
    tensors.pop("checksums", None)
    return metadata, tensors


def write_tensors(
    path: Path, metadata: dict[str, str] | None, tensors: Tensors, *, sums: bool = True
) -> None:
    """Write a file of these, by default with checksums."""
    header: Header = {} if metadata is None else {"__metadata__": metadata}
    data = b""
    for name, (dtype, shape, raw) in tensors.items():
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        data += raw
    if sums:
        count = 1 + sum(-(-len(raw) // PIECE) for _, _, raw in tensors.values())
        offsets = [len(data), len(data) + 4 * count]
        header["checksums"] = {"dtype": "U32", "shape": [count], "data_offsets": offsets}
        data += bytes(4 * count)
    raw = joined(header, data)
    path.write_bytes(resummed(raw) if sums else raw)


def about(path: Path) -> Any:
    """What the metadata says."""
    metadata, _ = tensors_of(path)
    assert metadata is not None
    return json.loads(metadata["trulysparse"])


def with_about(path: Path, fields: Any) -> None:
    """Replace what the metadata says."""
    write_tensors(path, {"trulysparse": json.dumps(fields)}, tensors_of(path)[1])


def as_version_1(path: Path) -> None:
    """Make a file what version 1 had."""
    fields = about(path)
    fields["version"] = 1
    for name in ("package", "inputs_seen", "targets_seen"):
        del fields[name]
    del fields["config"]["standardize_targets"], fields["counters"]["changed_after"]
    state = fields.pop("state")
    if state is not None and state["rule"] == "adam":
        fields["adam_since"] = state["since"]
    elif state is not None:
        fields["state"] = state
    if fields["original_layer_sizes"] is None:
        del fields["original_layer_sizes"]
    text = {"trulysparse": json.dumps(fields)}
    write_tensors(path, text, tensors_of(path)[1], sums=False)
