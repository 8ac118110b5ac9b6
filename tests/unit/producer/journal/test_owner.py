"""A journal belongs to the name under which its records were accepted."""

from pathlib import Path

import pytest

from citypulse.producer.errors import BadInputError
from citypulse.producer.journal import cursor, owner


def test_the_same_name_goes_on(tmp_path: Path) -> None:
    owner.claim(tmp_path, "main", "", 1)
    owner.claim(tmp_path, "main", "", 100)


def test_another_name_is_refused_while_records_wait_and_taken_when_none_do(tmp_path: Path) -> None:
    owner.claim(tmp_path, "main", "", 1)
    cursor.store(tmp_path, 40)
    with pytest.raises(BadInputError, match=r"name = 'other' cannot be: 3 messages in .* as 'main'"):
        owner.claim(tmp_path, "other", "", 43)
    owner.claim(tmp_path, "other", "", 40)
    with pytest.raises(BadInputError, match="as 'other'"):
        owner.claim(tmp_path, "main", "", 43)


def test_a_journal_is_of_one_run_whatever_waits_in_it(tmp_path: Path) -> None:
    owner.claim(tmp_path, "main", "demo", 1)
    owner.claim(tmp_path, "main", "demo", 1)
    with pytest.raises(BadInputError, match=r"run = '' cannot be: .* is of the run 'demo'"):
        owner.claim(tmp_path, "main", "", 1)


def test_a_journal_whose_run_nobody_wrote_down_is_taken(tmp_path: Path) -> None:
    (tmp_path / "producer").write_text("main\n")
    owner.claim(tmp_path, "main", "demo", 100)
    with pytest.raises(BadInputError, match="run = ''"):
        owner.claim(tmp_path, "main", "", 100)
