"""The command citypulse-board."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import click
import msgspec
import structlog
from aiohttp import web

from citypulse.board import config, files
from citypulse.board.database import Database
from citypulse.board.files import Dashboard
from citypulse.board.server import Board
from citypulse.settings import BadSettingError

_log = structlog.get_logger()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Shows Grafana's dashboards in a browser, from the same files and with the same queries.

    Exit codes: 0 well, 1 failed, 2 bad input or configuration.
    """


@main.command()
@click.option("--config", "file", metavar="FILE", type=click.Path(path_type=Path), help="TOML file.")
def serve(file: Path | None) -> None:
    """Serve pages until told to stop; every key is also CITYPULSE_BOARD_<SECTION>_<KEY>.

    \b
    Examples:
      citypulse-board serve --config board.toml
      CITYPULSE_BOARD_DASHBOARDS=grafana/dashboards CITYPULSE_BOARD_CASSANDRA_KEYSPACE=citypulse_demo \\
        citypulse-board serve
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ]
    )
    try:
        settings = config.load(file, os.environ)
        dashboards = _dashboards(Path(settings.dashboards))
    except BadSettingError as error:
        _refuse(str(error), 2)
    try:
        asyncio.run(_serve(settings, dashboards))
    except OSError as error:
        where = f"http.port = {settings.http.port} on {settings.http.address}"
        _refuse(f"{where} cannot be had ({os.strerror(error.errno or 0)}): choose another", 2)


def _dashboards(directory: Path) -> list[Dashboard]:
    found = []
    for path in sorted(directory.glob("*.json")):
        try:
            found.append(files.read(path))
        except (OSError, msgspec.DecodeError) as error:
            raise BadSettingError(f"dashboards: {path} is no dashboard ({error})") from None
    if not found:
        raise BadSettingError(
            f"dashboards = {directory} holds no dashboard: name the directory of their files"
        )
    return found


async def _serve(settings: config.Config, dashboards: list[Dashboard]) -> None:
    database = Database(settings.cassandra)
    board = Board(settings, dashboards, database)
    runner = web.AppRunner(board.application(), access_log=None)
    await runner.setup()
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    try:
        await web.TCPSite(runner, settings.http.address, settings.http.port).start()
        _log.info(
            "serving", address=settings.http.address, port=settings.http.port, dashboards=len(dashboards)
        )
        await told.wait()
    finally:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(runner.cleanup(), 5)
        database.close()
    _log.info("stopped")


def _refuse(sentence: str, code: int) -> None:
    click.echo(f"citypulse-board: {sentence}", err=True)
    sys.exit(code)
