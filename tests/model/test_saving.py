"""What a save leaves: the new file or the old one, nothing else, and words that say which."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time

import pytest
import trulysparse as ts
from helpers import file_damage, limits
from helpers.small_model import X, fit, make_model

POSIX = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


@pytest.mark.parametrize(("job", "count"), [("flips", 400), ("cuts", 40), ("hostile", 2000)])
def test_damage_is_never_accepted(job, count):
    found = file_damage.run(job, count)
    assert found.get("tried", 0) >= min(count, 250), found
    assert not file_damage.broken(found), found


@POSIX
def test_a_killed_save_leaves_a_good_file_and_the_next_one_no_other():
    found = file_damage.run("kills", 8)
    assert found.get("tried") == 8, found
    assert not file_damage.broken(found), found


def test_of_a_link_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    real, link = tmp_path / "elsewhere" / "model.safetensors", tmp_path / "latest.safetensors"
    link.symlink_to(real)
    for model in (make_model(), make_model(seed=4)):
        model.save(link)  # at first there is nothing where it leads
        assert link.is_symlink()
        assert ts.load(real).predict(X).tobytes() == model.predict(X).tobytes()
    assert [p.name for p in real.parent.iterdir()] == [real.name]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["elsewhere", link.name]


def test_a_full_disk_leaves_the_old_file_and_is_said(tmp_path):
    """The most bytes that a process may write to a file stand for what a disk has left."""
    path = tmp_path / "model.safetensors"
    make_model().save(path)
    before, (soft, hard) = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
        with pytest.raises(OSError, match=r"what was there before is unchanged.*model\.safet"):
            make_model(seed=5).save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


_AS_NOBODY = """
import os, sys
import trulysparse as ts
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    ts.SparseMLP([4, 3, 2], seed=0).save(sys.argv[1])
except PermissionError as error:
    print(error)
"""


@POSIX
def test_a_folder_that_takes_no_files_is_said(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir()
    path = folder / "model.safetensors"
    make_model().save(path)
    path.chmod(0o666)
    folder.chmod(0o555)
    for above in (*folder.parents,):
        if above == tmp_path.parents[2]:
            break
        above.chmod(above.stat().st_mode | 0o111)
    before = path.read_bytes()
    result = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, str(path)],
        capture_output=True,
        text=True,
        timeout=limits.CHILD,
        check=False,
    )
    folder.chmod(0o755)
    if "ermission" in result.stderr and "trulysparse" in result.stderr and not result.stdout:
        pytest.skip("the package is where another user cannot read it; run the tests as a user")
    assert "a save makes a new file in the same folder" in result.stdout, result.stderr
    assert str(path) in result.stdout
    assert path.read_bytes() == before


def save_often(model, path):
    for _ in range(20):
        model.save(path)


class Threaded(threading.Thread):
    """A thread whose error the one that joins it gets."""

    error = None

    def run(self):
        try:
            super().run()
        except BaseException as error:
            self.error = error

    def join(self, timeout=None):
        super().join(limits.CHILD)
        assert self.error is None, self.error


class Forked:
    """A child process that saves, with the methods of a thread."""

    def __init__(self, target, args):
        self._work, self._child, self._status = lambda: target(*args), None, None

    def start(self):
        self._child = os.fork()
        if self._child == 0:
            signal.alarm(limits.CHILD)
            try:
                self._work()
            finally:
                os._exit(1 if sys.exc_info()[0] else 0)

    def is_alive(self):
        if self._status is None:
            done, status = os.waitpid(self._child, os.WNOHANG)
            self._status = status if done else None
        return self._status is None

    def join(self):
        while self.is_alive():
            time.sleep(0.001)
        assert self._status == 0


@pytest.mark.parametrize("kind", [Threaded, pytest.param(Forked, marks=POSIX)])
def test_those_that_save_to_one_path_at_once_leave_a_good_file(kind, tmp_path):
    path = tmp_path / "model.safetensors"
    models = [make_model(seed=seed, threads=1) for seed in range(4)]
    allowed = {model.predict(X).tobytes() for model in models}
    models[0].save(path)
    savers = [kind(target=save_often, args=(model, path)) for model in models]
    for saver in savers:
        saver.start()
    while any(saver.is_alive() for saver in savers):
        assert ts.load(path).predict(X).tobytes() in allowed
    for saver in savers:
        saver.join()
    assert ts.load(path).predict(X).tobytes() in allowed
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@POSIX
def test_the_file_of_a_living_save_stays(tmp_path):
    """A process that is stopped in the middle of a save is not dead."""
    path, model = tmp_path / "model.safetensors", file_damage.large_model()
    model.save(path)
    child = os.fork()
    if child == 0:
        signal.alarm(limits.CHILD)
        while True:
            model.save(path)
    try:
        siblings = []
        for _ in range(1000):
            time.sleep(0.002)
            os.kill(child, signal.SIGSTOP)
            os.waitpid(child, os.WUNTRACED)
            siblings = [p for p in tmp_path.iterdir() if p != path]
            if siblings:
                break
            os.kill(child, signal.SIGCONT)
        assert len(siblings) == 1
        assert f"-{child}-" in siblings[0].name
        model.save(path)
        assert siblings[0].exists()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    model.save(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
def test_files_on_a_full_disk_are_named(tmp_path):
    history = fit(make_model())
    writers = [
        lambda: fit(make_model(), callbacks=[ts.CSVLogger("/dev/full")]),
        lambda: history.to_csv("/dev/full"),
        lambda: fit(make_model(), topology=None, strategy=ts.WASAP(workers=2, record="/dev/full")),
    ]
    for write in writers:
        with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
            write()
    folder = tmp_path / "export"
    make_model().export_npz(folder)
    (folder / "README.txt").unlink()
    (folder / "README.txt").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left on device: '.*README.txt'"):
        make_model().export_npz(folder)
