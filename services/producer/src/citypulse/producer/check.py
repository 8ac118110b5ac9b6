"""Would a run work? Asks everything that it needs, and changes nothing."""

import fcntl
import os
from pathlib import Path

import click

from citypulse import places
from citypulse.producer.config import Config
from citypulse.producer.send import replicas
from citypulse.producer.stream import rules
from citypulse.producer.stream.client import BrokenError, HttpError, XClient


def run(config: Config, token: str) -> bool:
    """Check X, the brokers, the topics and the journal, with a line for each.

    Returns:
        Whether all is well.

    Raises:
        StopError: the configuration cannot be, or X refuses.
    """
    wanted = rules.configured(config)
    lines = [_journal(Path(config.journal.dir)), _x(config, token, wanted), *_brokers(config)]
    for well, line in lines:
        click.echo(f"{'ok  ' if well else 'FAIL'} {line}")
    return all(well for well, _ in lines)


def _journal(directory: Path) -> tuple[bool, str]:
    existing = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        return False, f"journal.dir = {directory} cannot be written"
    used = ""
    if (directory / "lock").exists():
        with (directory / "lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                used = f", in use by process {file.read().strip()}"
    return True, f"journal  {directory}{used}"


def _x(config: Config, token: str, wanted: list[rules.Rule]) -> tuple[bool, str]:
    try:
        existing = XClient(config.x, token).rules()
    except (HttpError, BrokenError) as error:
        return False, f"X        {config.x.base_url}: {error}"
    plan = rules.plan(existing, wanted, config.name, retweets=config.retweets.enabled)
    return True, (
        f"X        {config.x.base_url}: {len(wanted)} rules wanted; a run deletes {len(plan.delete)}, adds"
        f" {len(plan.add)}, leaves {len(existing) - len(plan.delete)}"
    )


def _brokers(config: Config) -> list[tuple[bool, str]]:
    needed = frozenset({config.topic(feed.topic) for feed in config.feeds} | {places.topic_name(config.run)})
    answers, view = replicas.ask_once(config, needed)
    lines = [
        (answer is not None, f"broker   {server}{'' if answer is not None else ': no answer'}")
        for server, answer in zip(config.kafka.bootstrap_servers, answers, strict=True)
    ]
    heard = [answer for answer in answers if answer is not None]
    if not heard:
        return lines
    for topic in sorted(needed):
        there = any(topic in answer for answer in heard)
        lines.append(
            (there, f"topic    {topic}" + ("" if there else " does not exist: the deployment makes it"))
        )
    trouble = view.wrong or view.blocked
    return [*lines, (not trouble, f"kafka    {trouble or f'durability {config.kafka.durability} holds'}")]
