"""One command at a time changes an installation."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from citypulse.control.exclusive import exclusive
from citypulse.control.faults import Fault
from citypulse.control.installation import Installation


def test_a_second_command_is_told_who_is_at_work(tmp_path: Path) -> None:
    inst = Installation(checkout=tmp_path, home=tmp_path, cache=tmp_path, port_offset=0, workers=1)
    with exclusive(inst), pytest.raises(Fault, match=f"pid {os.getpid()}"), exclusive(inst):
        pass
    with exclusive(inst):
        pass
