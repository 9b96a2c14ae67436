"""What the scripts say where something is missing and they may not install it."""

import os
import pathlib
import shutil
import subprocess

import pytest
from stack import REPOSITORY, folder

LINE = "apt-get update && apt-get install -y --no-install-recommends"


class Machine:
    """A machine that has no tools but those that it is given, and somebody on it who has no rights."""

    def __init__(self, home: pathlib.Path):
        self.home, self.tools, self.installed = home, home / "bin", home / "installed"
        self.tools.mkdir()
        shutil.copytree(REPOSITORY / "scripts", home / "scripts")  # not everybody may enter our own checkout
        home.chmod(0o777)
        for name in ("bash", "dirname", "env", "head", "id", "mktemp", "rm", "sed", "sh", "sort"):
            (self.tools / name).symlink_to(shutil.which(name))
        self.give("apt-get", f"echo called > {self.installed}")
        self.give("swift", "echo Swift version 6.2")

    def give(self, name: str, text: str = "exit 0") -> None:
        (self.tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.tools / name).chmod(0o755)

    def run(self, *words: str) -> subprocess.CompletedProcess:
        nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
        return subprocess.run(
            [self.tools / "bash", *words], env={"PATH": str(self.tools), "HOME": "/nowhere"}, cwd=self.home,
            text=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False, **nobody,
        )  # fmt: skip

    def need(self, *names: str) -> subprocess.CompletedProcess:
        return self.run("-c", '. scripts/lib/install.sh; need "$@"; echo all is there', "./script", *names)


@pytest.fixture
def machine():
    home = folder()
    machine = Machine(home)
    yield machine
    was_called = machine.installed.exists()
    shutil.rmtree(home)
    assert not was_called, "apt-get was called without the right to"


def test_without_rights_it_prints_the_exact_line_for_all_that_is_missing_and_ends_with_3(machine):
    machine.give("openssl")
    found = machine.need("openssl", "wrk", "pkg-config", "procps", "bubblewrap")
    assert (found.returncode, found.stdout) == (3, "")
    assert found.stderr.splitlines() == [
        "This machine lacks: wrk pkg-config procps bubblewrap. Run this as root, then ./script again:",
        f"  {LINE} wrk pkg-config procps bubblewrap",
    ]


def test_a_sudo_that_asks_for_a_password_is_no_right_where_nobody_can_type_one(machine):
    machine.give("sudo", '[ "$1" != -n ] || exit 1; exec "$@"')
    found = machine.need("wrk")
    assert (found.returncode, found.stderr.splitlines()[-1]) == (3, f"  {LINE} wrk"), found


def test_without_apt_get_it_names_the_packages_and_ends_with_3(machine):
    (machine.tools / "apt-get").unlink()
    found = machine.need("openssl", "wrk")
    assert found.returncode == 3 and "lacks: openssl wrk" in found.stderr and LINE not in found.stderr, found


def test_where_everything_is_there_it_says_and_does_nothing(machine):
    machine.give("openssl")
    found = machine.need("openssl")
    assert (found.returncode, found.stdout, found.stderr) == (0, "all is there\n", "")


@pytest.mark.parametrize(
    ("script", "missing"),
    [
        ("demo", {"pkg-config", "libpq-dev", "libseccomp-dev", "bubblewrap"}),
        ("test", {"pkg-config", "libpq-dev", "libseccomp-dev", "bubblewrap", "openssl", "procps", "chromium"}),
        ("bench", {"pkg-config", "libpq-dev", "libseccomp-dev", "bubblewrap", "wrk"}),
        ("check", {"shellcheck"}),
    ],
)
def test_every_script_asks_for_all_that_it_needs_at_once(machine, script, missing):
    found = machine.run(f"scripts/{script}")
    line = next(line for line in found.stderr.splitlines() if "apt-get install" in line)
    assert found.returncode == 3 and line.startswith(f"  {LINE} ") and missing <= set(line.split()), found
