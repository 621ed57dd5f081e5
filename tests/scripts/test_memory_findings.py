"""What of valgrind's findings counts: those with the core in one of their stacks."""

import pytest
from helpers import memory_findings

OURS = "<frame><obj>/site/trulysparse/_core.abi3.so</obj><fn>{}</fn></frame>"
PYTHON = "<frame><obj>/lib/libpython3.so</obj><fn>PyLong_New</fn></frame>"


def error(kind, *stacks):
    frames = "".join(f"<stack>{''.join(stack)}</stack>" for stack in stacks)
    return f"<error><kind>{kind}</kind>{frames}</error>"


@pytest.mark.parametrize(
    ("found", "status"),
    [
        ([], 0),
        ([error("UninitValue", [PYTHON, PYTHON])], 0),
        ([error("InvalidRead", [PYTHON, OURS.format("spmm")])], 1),
        # Python reads what the core has freed.
        ([error("InvalidRead", [PYTHON], [PYTHON, OURS.format("drop")])], 1),
        ([error("Leak_DefinitelyLost", [OURS.format("push PyMemberDef")])], 0),
        ([error("Leak_DefinitelyLost", [OURS.format("reserved")])], 1),
        ([error("InvalidWrite", [OURS.format("push PyMemberDef")])], 1),
    ],
)
def test_findings(found, status, tmp_path, capsys):
    path = tmp_path / "memory.xml"
    path.write_text(f"<valgrindoutput>{''.join(found)}</valgrindoutput>")
    assert memory_findings.main(path) == status
    assert f"{status} findings of the core" in capsys.readouterr().out
