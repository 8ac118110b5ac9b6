"""The endpoint /control/faults: arm faults, look at them, end them."""

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from citypulse.replay.answers import Json, json_answer
from citypulse.replay.armed import Armed
from citypulse.replay.fault_book import Faults
from citypulse.replay.faults import BadFaultError, fault_of

__all__ = ["control_routes"]

_PATH = "/control/faults"


def control_routes(faults: Faults, tokens: frozenset[str]) -> list[web.RouteDef]:
    """What to serve where the configuration has it; `tokens` are the digests that faults may name."""

    async def arm(request: web.Request) -> web.Response:
        try:
            fault = fault_of(msgspec.json.decode(await request.read()), tokens)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _refused(400, f"the body is not JSON ({error}): give an object with the key fault")
        except BadFaultError as error:
            return _refused(400, str(error))
        return json_answer(201, faults.arm(fault).shown())

    async def show(_: web.Request) -> web.Response:
        return json_answer(200, {"faults": faults.shown()})

    async def end_all(_: web.Request) -> web.Response:
        faults.end_all()
        return json_answer(200, {"faults": faults.shown()})

    async def end(_: web.Request, armed: Armed) -> web.Response:
        faults.end(armed)
        return json_answer(200, armed.shown())

    async def show_one(_: web.Request, armed: Armed) -> web.Response:
        return json_answer(200, armed.shown())

    return [
        web.post(_PATH, arm),
        web.get(_PATH, show),
        web.delete(_PATH, end_all),
        web.get(_PATH + "/{id}", _of_one(faults, show_one)),
        web.delete(_PATH + "/{id}", _of_one(faults, end)),
    ]


def _of_one(
    faults: Faults, handler: Callable[[web.Request, Armed], Awaitable[web.Response]]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def found(request: web.Request) -> web.Response:
        number = request.match_info["id"]
        armed = faults.find(int(number)) if number.isdecimal() else None
        if armed is None:
            return _refused(404, f"id = {number} is no fault: GET {_PATH} lists them")
        return await handler(request, armed)

    return found


def _refused(status: int, sentence: str) -> web.Response:
    body: Json = {"error": sentence}
    return json_answer(status, body)
