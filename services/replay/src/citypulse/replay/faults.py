"""What faults there are: each is a struct whose docstring says what it does, its fields are its parameters.

    {"fault": "stall", "seconds": 40, "after_messages": 100}

Stream events happen between two messages of a stream, message faults to single messages, request faults to
single requests, and the last group to a token as a whole. `fault_of` reads one from JSON or TOML values;
`fault_book` keeps those that are in force, `stream_faults` makes them happen to a stream.
"""

import re
from typing import Annotated, Any, Literal

import msgspec

__all__ = [
    "BadFaultError",
    "Conflict",
    "Cut",
    "CutMidLine",
    "DeadConnection",
    "Disconnect",
    "Disorder",
    "Drip",
    "Duplicate",
    "ErrorInStream",
    "Fault",
    "Forbidden",
    "Gap",
    "Malformed",
    "MessageFault",
    "NoPlace",
    "NoTag",
    "RateLimit",
    "RequestFault",
    "RuleLimits",
    "ServerError",
    "SlowRules",
    "Stall",
    "StreamEvent",
    "TooManyConnections",
    "Unauthorized",
    "Unavailable",
    "fault_of",
    "name_of",
]

_Token = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{8})?$")]
_Natural = Annotated[int, msgspec.Meta(ge=1)]
_Number = Annotated[int, msgspec.Meta(ge=0)]
_Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
_Endpoint = Literal["stream", "rules", "search", "counts", "all"]


def name_of(kind: type[msgspec.Struct] | msgspec.Struct) -> str:
    """A fault's name, as it is given and shown: `cut_mid_line` for CutMidLine."""
    kind = kind if isinstance(kind, type) else type(kind)
    return _name(kind.__name__)


def _name(kind: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()


class Fault(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag=_name, tag_field="fault"
):
    """Any fault. `token` is the 8-digit digest of the only token that it befalls; empty for every one."""

    token: _Token = ""


class _Windowed(Fault, frozen=True, kw_only=True):
    """A fault that ends after `seconds`, or after it befell `count` messages or requests, whichever is first.

    Without both it befalls one.
    """

    seconds: _Seconds | None = None
    count: _Natural | None = None


class StreamEvent(Fault, frozen=True, kw_only=True):
    """Happens to a stream after `after_messages` more messages of its token, then after each `every`, in all
    `count` times.
    """

    after_messages: _Number = 0
    every: _Number = 0
    count: _Natural = 1


class Disconnect(StreamEvent, frozen=True, kw_only=True):
    """The stream is closed cleanly."""


class Cut(StreamEvent, frozen=True, kw_only=True):
    """The connection is reset, when the client's kernel has what was sent."""


class CutMidLine(StreamEvent, frozen=True, kw_only=True):
    """Half of the next message is sent, then the connection is reset, or with `clean` closed cleanly."""

    clean: bool = False


class Stall(StreamEvent, frozen=True, kw_only=True):
    """The connection stays open and carries nothing for `seconds`, not even keep-alives."""

    seconds: _Seconds


class Drip(StreamEvent, frozen=True, kw_only=True):
    """For `seconds` the stream carries `bytes_per_second`."""

    seconds: _Seconds
    bytes_per_second: _Natural


class ErrorInStream(StreamEvent, frozen=True, kw_only=True):
    """X's errors object as a line, then a clean close. An operational-disconnect has a `disconnect_type`."""

    error: Literal["operational-disconnect", "usage-capped", "too-many-connections"] = (
        "operational-disconnect"
    )
    disconnect_type: Literal[
        "UpstreamOperationalDisconnect",
        "OperationalDisconnect",
        "ForceDisconnect",
        "UpstreamUncleanDisconnect",
        "SlowReader",
        "InternalError",
        "ClientApplicationStateDegraded",
        "InvalidRules",
    ] = "UpstreamOperationalDisconnect"


class DeadConnection(StreamEvent, frozen=True, kw_only=True):
    """The connection is reset, or with `silent` carries nothing any more, and goes on counting against the
    token's limit for `seconds`, whatever its client does.
    """

    seconds: _Seconds
    silent: bool = False


class MessageFault(_Windowed, frozen=True, kw_only=True):
    """Befalls messages of a stream: the first after `after_messages` of its token, then every `every`-th."""

    after_messages: _Number = 0
    every: _Natural = 1


class Malformed(MessageFault, frozen=True, kw_only=True):
    """A line that is no JSON (`text`) or no text at all (`binary`) comes before the message; with `truncated`
    the message itself is only half there, and so withheld.
    """

    kind: Literal["text", "binary", "truncated"] = "text"


class NoTag(MessageFault, frozen=True, kw_only=True):
    """The message's matching_rules have ids and no tags."""


class NoPlace(MessageFault, frozen=True, kw_only=True):
    """The message's includes lack its places."""


class Duplicate(MessageFault, frozen=True, kw_only=True):
    """The message comes once more, `later` messages later."""

    later: _Number = 0


class Disorder(MessageFault, frozen=True, kw_only=True):
    """Each `window` messages are sent shuffled; `count` and `every` are of windows."""

    window: Annotated[int, msgspec.Meta(ge=2, le=10_000)]
    seed: int = 1


class Gap(_Windowed, frozen=True, kw_only=True):
    """Posts are not delivered, whether a stream is connected or not; search and backfill have them."""

    after_messages: _Number = 0


class RequestFault(_Windowed, frozen=True, kw_only=True):
    """Refuses requests to an endpoint."""

    endpoint: _Endpoint = "stream"


class RateLimit(RequestFault, frozen=True, kw_only=True):
    """429 with no requests remaining; the reset is told as the fault's end, or the window's."""


class TooManyConnections(RequestFault, frozen=True, kw_only=True):
    """429 ConnectionException."""


class Unauthorized(RequestFault, frozen=True, kw_only=True):
    """401."""


class Forbidden(RequestFault, frozen=True, kw_only=True):
    """403."""


class Conflict(RequestFault, frozen=True, kw_only=True):
    """409 as without rules; with `wipe_rules` nothing is refused but the rules are gone, at once."""

    wipe_rules: bool = False


class ServerError(RequestFault, frozen=True, kw_only=True):
    """500."""


class Unavailable(RequestFault, frozen=True, kw_only=True):
    """503."""


class RuleLimits(_Windowed, frozen=True, kw_only=True):
    """Fewer rules, or shorter ones, are allowed to be added."""

    rules: _Number | None = None
    rule_characters: _Natural | None = None


class SlowRules(_Windowed, frozen=True, kw_only=True):
    """The rules endpoint does at once what it is asked, and answers `delay_seconds` later."""

    delay_seconds: _Seconds


_KINDS: tuple[type[Fault], ...] = (
    *(Disconnect, Cut, CutMidLine, Stall, Drip, ErrorInStream, DeadConnection),
    *(Malformed, NoTag, NoPlace, Duplicate, Disorder),
    *(RateLimit, TooManyConnections, Unauthorized, Forbidden, Conflict, ServerError, Unavailable),
    *(Gap, RuleLimits, SlowRules),
)
_BY_NAME = {name_of(kind): kind for kind in _KINDS}


class BadFaultError(ValueError):
    """A fault that cannot be; its text is one sentence that names the parameter."""


def fault_of(values: Any, tokens: frozenset[str]) -> Fault:
    """Read a fault from decoded JSON or TOML; `tokens` are the digests that may be named.

    Raises BadFaultError.
    """
    if not isinstance(values, dict):
        raise BadFaultError(f"a fault is an object with the key fault: give it one of {', '.join(_BY_NAME)}")
    name = values.get("fault")
    kind = _BY_NAME.get(name) if isinstance(name, str) else None
    if kind is None:
        raise BadFaultError(f"fault = {name!r} is not known: give one of {', '.join(_BY_NAME)}")
    try:
        fault = msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise BadFaultError(_sentence(str(error), values, kind)) from None
    if fault.token and fault.token not in tokens:
        known = ", ".join(sorted(tokens))
        raise BadFaultError(f"token = {fault.token!r} of {name} is not served: give one of {known}, or none")
    if isinstance(fault, RuleLimits) and fault.rules is None and fault.rule_characters is None:
        raise BadFaultError("rule_limits lowers nothing: give it rules, rule_characters or both")
    return fault


def _sentence(error: str, values: dict[str, Any], kind: type[Fault]) -> str:
    what, _, place = error.partition(" - at ")
    name = name_of(kind)
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", what, re.DOTALL):
        known = ", ".join(kind.__struct_fields__)
        return f"{unknown[1]} is not a parameter of {name}: it has {known}"
    if missing := re.fullmatch(r"Object missing required field `(.*)`", what):
        return f"{missing[1]} is not set: {name} needs it"
    key = place.strip("`").removeprefix("$.")
    return f"{key} = {values.get(key)!r} of {name} cannot be: {what[:1].lower()}{what[1:]}"
