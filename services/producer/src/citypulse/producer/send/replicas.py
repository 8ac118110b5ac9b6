"""Watches the brokers: who answers, whether our topics can take a record, and how far all replicas have it.

With `min.insync.replicas` of 1 a record is acknowledged although only its leader has it. Such a record is
safe when every broker says that each replica is in sync, under the leader that was there when they last said
so: a replica that comes back into sync has all that was acknowledged until then. If the leader has changed
meanwhile, the new one may not have it, and everything since the last safe point is to be sent again. Copies
are harmless.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import structlog

from citypulse.producer import metrics
from citypulse.producer.config import Config
from citypulse.producer.errors import BadInputError
from citypulse.producer.send.probe import Partition, Probe, Topics

log = structlog.get_logger()


class View(NamedTuple):
    """What a look at all brokers has found."""

    available: int
    """Brokers that answered,"""
    configured: int
    """of those in the configuration."""
    blocked: str
    """Why a record would not be acknowledged now; empty where it would."""
    wrong: str
    """What is wrong with the topics' settings, whatever the brokers do; empty where nothing is."""
    epochs: tuple[int, ...] | None
    """The leaders' epochs of all partitions, where every replica is in sync and all brokers say so."""


NOTHING = View(0, 0, "", "", None)
"""Before the first look."""


def judge(
    answers: list[Topics | None], min_in_sync: dict[str, int], names: Iterable[str], strict: bool
) -> View:
    """What the answers of all brokers mean together.

    Args:
        answers: of each configured broker; None where there was none.
        min_in_sync: `min.insync.replicas` of the topics, of those that are known.
        names: the topics that we write.
        strict: whether an acknowledged record must have two copies.
    """
    heard = [answer for answer in answers if answer is not None]
    blocked = wrong = ""
    epochs: list[int] = []
    in_sync = len(heard) == len(answers)
    if not heard:
        return View(0, len(answers), "no broker answers", "", None)
    for name in sorted(names):
        known = [answer[name] for answer in heard if name in answer]
        if not known:
            blocked = blocked or f"no broker knows the topic {name}"
            in_sync = False
            continue
        needed = min_in_sync.get(name, 1)
        for number in sorted(known[0]):
            views = [view[number] for view in known if number in view]
            newest = max(views, key=lambda view: view.epoch)
            blocked = blocked or _blocked(name, number, newest, needed)
            in_sync = in_sync and len(views) == len(answers) and len(set(views)) == 1
            in_sync = in_sync and newest.in_sync == newest.replicas and newest.leader >= 0
            epochs.append(newest.epoch)
            wrong = wrong or _wrong(name, newest, min_in_sync.get(name), strict)
    return View(len(heard), len(answers), blocked, wrong, tuple(epochs) if in_sync else None)


def _blocked(name: str, number: int, partition: Partition, needed: int) -> str:
    if partition.leader < 0:
        return f"{name}/{number} has no leader"
    if len(partition.in_sync) < needed:
        return f"{name}/{number} has {len(partition.in_sync)} replica in sync, and needs {needed}"
    return ""


def _wrong(name: str, partition: Partition, min_in_sync: int | None, strict: bool) -> str:
    if min_in_sync is None:
        return ""
    if min_in_sync > len(partition.replicas):
        return (
            f"topic {name} has min.insync.replicas {min_in_sync}, but {len(partition.replicas)} replicas: no"
            " record could ever be acknowledged; lower it or add a replica"
        )
    if strict and min_in_sync < 2:
        return (
            f"kafka.durability = 'strict', but topic {name} has min.insync.replicas {min_in_sync}: an"
            " acknowledged record may have a single copy; set it to 2, or durability to 'available'"
        )
    return ""


def ask_once(config: Config, names: frozenset[str]) -> tuple[list[Topics | None], View]:
    """Look at every broker once: what each answered, in the configuration's order, and what that means."""
    probes = _probes(config)
    try:
        answers = [probe.topics(names) for probe in probes]
        return answers, judge(
            answers, _settings(probes, answers, names), names, config.kafka.durability == "strict"
        )
    finally:
        for probe in probes:
            probe.close()


def missing_topics(config: Config) -> list[str]:
    """The feeds' topics that no broker knows, of those that answer; none where no broker does."""
    feeds = frozenset(config.topic(feed.topic) for feed in config.feeds)
    answers, _ = ask_once(config, feeds)
    heard = [answer for answer in answers if answer is not None]
    return sorted(topic for topic in feeds if heard and not any(topic in answer for answer in heard))


def _probes(config: Config) -> list[Probe]:
    client_id = f"citypulse-producer-{config.name}-probe"
    return [Probe(config.kafka, server, client_id) for server in config.kafka.bootstrap_servers]


def _settings(
    probes: Sequence[Probe], answers: Sequence[Topics | None], names: frozenset[str]
) -> dict[str, int]:
    """`min.insync.replicas` of the topics, from the first broker that tells."""
    for probe, answer in zip(probes, answers, strict=True):
        if answer and (found := probe.min_in_sync(names & answer.keys())):
            return found
    return {}


class Replicas:
    """The look at the brokers, again and again, in a thread of its own; others read what it found."""

    def __init__(self, config: Config, topics: frozenset[str], acknowledged: Callable[[], int]) -> None:
        """Watch the topics that the producer writes.

        Args:
            config: the producer's.
            topics: their full names.
            acknowledged: gives the sequence before which Kafka has acknowledged every record.
        """
        self._kafka = config.kafka
        self.topics = topics
        """What is looked at; may grow."""
        self._acknowledged = acknowledged
        self._probes = _probes(config)
        self._min_in_sync: dict[str, int] = {}
        self._epochs: tuple[int, ...] | None = None
        self._sampled = acknowledged()
        self._checked = False
        self._stopping = threading.Event()
        self.view = NOTHING
        self.replicated = self._sampled
        """The sequence before which all replicas have every record."""
        self.lost_leader = False
        """Whether a leader has changed while a replica may have been missing: what is not replicated is to be
        sent again, and this set back, by the sender."""

    def run(self) -> None:
        """Look until stopped.

        Raises:
            BadInputError: the settings of the topics, when they are first seen, do not fit the configuration.
        """
        try:
            while not self._stopping.is_set():
                self.look()
                self._stopping.wait(self._kafka.probe_seconds)
        finally:
            for probe in self._probes:
                probe.close()

    def stop(self) -> None:
        """Have `run` return."""
        self._stopping.set()

    def look(self) -> None:
        """Ask every broker once."""
        # As of the last look: brokers learn a moment late that a replica has dropped out.
        acknowledged, self._sampled = self._sampled, self._acknowledged()
        names = self.topics
        answers = [probe.topics(names) for probe in self._probes]
        # A broker that came back may have brought other settings.
        if len(self._min_in_sync) < len(names) or self.view.available < sum(map(bool, answers)):
            self._min_in_sync.update(_settings(self._probes, answers, names))
        before, self.view = (
            self.view,
            judge(answers, self._min_in_sync, names, self._kafka.durability == "strict"),
        )
        self._advance(acknowledged)
        self._tell(before)

    def _advance(self, acknowledged: int) -> None:
        epochs = self.view.epochs
        if epochs is None or self.lost_leader:
            return
        if epochs == self._epochs:
            self.replicated = max(self.replicated, acknowledged)
        elif self._epochs is not None and self._sampled > self.replicated:
            self.lost_leader = True
        self._epochs = epochs

    def _tell(self, before: View) -> None:
        view = self.view
        metrics.brokers_available.set(view.available)
        if view.available != before.available or view.blocked != before.blocked:
            log.info(
                "brokers: looked at",
                available=view.available,
                configured=view.configured,
                blocked=view.blocked or None,
            )
        if view.wrong and not self._checked:
            raise BadInputError(view.wrong)
        if view.wrong and view.wrong != before.wrong:
            log.error("brokers: settings are wrong", reason=view.wrong)
        self._checked = self._checked or len(self._min_in_sync) == len(self.topics)
