"""What `make loadtest` may be asked, and which limits it is given."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import CHECKOUT, Installation
from citypulse.control.loadtest import limits
from citypulse.control.loadtest.asked import Asked, from_environment
from citypulse.control.loadtest.limits import Limit
from citypulse.control.servers import NATIVE


def test_what_is_not_asked_is_as_in_a_demo() -> None:
    assert from_environment({}) == Asked(200, 60, last=False)
    assert from_environment({"RATE": "0.5", "DURATION": "3m"}) == Asked(0.5, 180, last=False)
    assert from_environment({"LAST": "1"}).last


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("RATE", "fast"),
        ("RATE", "0"),
        ("RATE", "1e9"),
        ("DURATION", "soon"),
        ("DURATION", "19s"),
        ("DURATION", "25h"),
        ("LAST", "yes"),
        ("TWEETS", "tweets.jsonl"),
        ("COUNTRIES", "CA"),
        ("SHIFT", "now"),
        ("KEEP", "1"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_value_and_ends_with_2(key: str, value: str) -> None:
    with pytest.raises(Fault) as caught:
        from_environment({key: value})
    assert caught.value.code == Exit.BAD_INPUT
    assert caught.value.sentence.startswith(f"{key}={value} cannot be used: ")


def test_the_last_one_has_its_own_rate() -> None:
    with pytest.raises(Fault, match="leave them out"):
        from_environment({"LAST": "1", "RATE": "5"})


@pytest.fixture
def inst(tmp_path: Path) -> Installation:
    return Installation(CHECKOUT, tmp_path / "home", tmp_path / "cache", port_offset=0, workers=1)


def over(inst: Installation, tmp_path: Path, given: object) -> dict[str, Limit]:
    file = tmp_path / "vars.yml"
    file.write_text(yaml.safe_dump({"citypulse_limits": given, "kafka_properties": {}}))
    return limits.read(inst, {"VARS": str(file)})


def test_every_service_of_the_inventory_has_a_limit_but_what_stands_in_for_x(inst: Installation) -> None:
    known = limits.read(inst, {})
    roles = [
        *("zookeeper1", "kafka2", "cassandra1", "spark-master", "spark-worker1", "node-exporter"),
        *("prometheus", "board", "producer-live", "spark-job-load"),
    ]
    assert all(limits.of(service, known) for service in roles)
    assert limits.of("replay-load", known) is None
    assert limits.of("spark-job-load", known) == known["spark-job"]
    assert limits.of("spark-worker1", known) == known["spark-worker"] != known["spark-master"]


def test_what_all_may_use_at_their_peaks_fits_the_machine_that_is_asked_for(inst: Installation) -> None:
    inventory = yaml.safe_load((CHECKOUT / NATIVE).read_text())
    known = limits.read(inst, {})
    twice = ("zookeeper", "kafka")
    memory = sum(limit.memory_mb * (2 if name in twice else 1) for name, limit in known.items())
    assert memory * limits.MOST * 1e6 <= inventory["citypulse_memory_mb"] * 2**20


def test_vars_may_set_single_values(inst: Installation, tmp_path: Path) -> None:
    before = limits.read(inst, {})
    changed = over(inst, tmp_path, {"kafka": {"memory_mb": 10}})
    assert changed == {**before, "kafka": Limit(before["kafka"].cores, 10)}
    file = tmp_path / "others.yml"
    file.write_text("kafka_heap: 1g\n")
    assert limits.read(inst, {"VARS": str(file)}) == before


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"kafak": {"cores": 1}}, "citypulse_limits.kafak is no service; there are: zookeeper, kafka"),
        ({"kafka": {"memory": 1}}, "citypulse_limits.kafka.memory is no limit; give cores or memory_mb"),
        ({"kafka": {"cores": "two"}}, "citypulse_limits.kafka.cores=two is no number above zero"),
        ({"kafka": {"cores": 0}}, "citypulse_limits.kafka.cores=0 is no number above zero"),
        ({"kafka": 3}, "citypulse_limits.kafka=3 is no mapping"),
        ([], "citypulse_limits=[] is no mapping"),
    ],
)
def test_a_limit_that_cannot_be_is_named_and_ends_with_2(
    inst: Installation, tmp_path: Path, given: object, says: str
) -> None:
    with pytest.raises(Fault) as caught:
        over(inst, tmp_path, given)
    assert caught.value.code == Exit.BAD_INPUT
    assert says in caught.value.sentence
