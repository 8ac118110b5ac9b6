"""The endpoint /ingest: posts that somebody else makes, played the moment they are put in."""

import msgspec
from aiohttp import web

from citypulse.events import messages
from citypulse.replay.answers import json_answer
from citypulse.replay.delivery import Delivery, EndedError

__all__ = ["ingest_routes"]

_PATH = "/ingest"


def ingest_routes(delivery: Delivery) -> list[web.RouteDef]:
    """What to serve where the configuration has it: POST puts posts in, DELETE tells their end."""

    async def put(request: web.Request) -> web.Response:
        try:
            given = messages.of_json(await request.read())
        except (msgspec.MsgspecError, ValueError) as error:
            return json_answer(400, {"error": f"the body holds no posts ({error}): give a list of messages"})
        try:
            await delivery.put(given)
        except EndedError:
            return json_answer(409, {"error": f"DELETE {_PATH} has told the end: start replay anew"})
        return json_answer(202, {"taken": len(given)})

    async def end(_: web.Request) -> web.Response:
        delivery.end_source()
        return json_answer(200, {"played": delivery.played})

    return [web.post(_PATH, put), web.delete(_PATH, end)]
