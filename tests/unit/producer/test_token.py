"""A token is one process's."""

import os
import subprocess
import sys

import pytest

from citypulse.producer.errors import BadInputError
from citypulse.producer.stream import token

SECRET = f"a-token-that-nobody-else-has-{os.getpid()}"


def test_a_second_claim_names_the_process_that_has_it_and_not_the_token() -> None:
    with token.claim(SECRET), pytest.raises(BadInputError) as caught:
        token.claim(SECRET)
    assert f"in use by process {os.getpid()}," in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.exit_code == 2


def test_other_tokens_are_free_and_a_claim_ends_with_its_socket() -> None:
    with token.claim(SECRET), token.claim(SECRET + "2"):
        pass
    token.claim(SECRET).close()


def test_a_claim_dies_with_its_process() -> None:
    code = (
        "import sys, time; from citypulse.producer.stream import token;"
        f"held = token.claim({SECRET!r}); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BadInputError, match=f"process {other.pid},"):
            token.claim(SECRET)
        other.kill()
        other.wait(30)
    token.claim(SECRET).close()


def test_it_is_named_however_often_it_is_asked_for() -> None:
    with token.claim(SECRET):
        for _ in range(20):
            with pytest.raises(BadInputError, match=f"process {os.getpid()},"):
                token.claim(SECRET)
