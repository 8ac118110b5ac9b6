"""X's answers to what it refuses: bodies and status codes as its API gives them."""

from typing import Any

__all__ = [
    "conflict_without_rules",
    "duplicate_rule",
    "forbidden",
    "in_stream",
    "invalid_parameter",
    "invalid_request",
    "invalid_rule",
    "not_found",
    "rate_limited",
    "rule_cap",
    "rule_does_not_exist",
    "server_error",
    "too_many_connections",
    "unauthorized",
    "unavailable",
]

Json = dict[str, Any]
Problem = tuple[int, Json]
"""An HTTP status and the body that goes with it."""

_TYPES = "https://api.twitter.com/2/problems/"


def unauthorized() -> Problem:
    """No bearer token, or one that is not known."""
    return _blank(401, "Unauthorized")


def forbidden() -> Problem:
    """An endpoint that is not for this account."""
    return 403, {
        "client_id": "0",
        "detail": "When authenticating requests to the Twitter API v2 endpoints, you must use keys and tokens"
        " from a Twitter developer App that is attached to a Project."
        " You can create a project via the developer portal.",
        "registration_url": "https://developer.twitter.com/en/docs/projects/overview",
        "title": "Client Forbidden",
        "required_enrollment": "Appropriate Level of API Access",
        "reason": "client-not-enrolled",
        "type": _TYPES + "client-forbidden",
    }


def server_error() -> Problem:
    """X has failed."""
    return _blank(500, "Internal Server Error")


def unavailable() -> Problem:
    """X is overloaded or down."""
    return _blank(503, "Service Unavailable")


def _blank(status: int, title: str) -> Problem:
    return status, {"title": title, "detail": title, "type": "about:blank", "status": status}


def not_found() -> Problem:
    """A path that is no endpoint."""
    return _blank(404, "Not Found")


def rate_limited() -> Problem:
    """An endpoint's requests of this window are used up."""
    return _blank(429, "Too Many Requests")


def too_many_connections() -> Problem:
    """The token has its streams already: a 429 that no waiting for a rate limit cures."""
    return 429, {
        "title": "ConnectionException",
        "detail": "This stream is currently at the maximum allowed connection limit.",
        "connection_issue": "TooManyConnections",
        "type": _TYPES + "streaming-connection",
    }


def conflict_without_rules() -> Problem:
    """A stream asked for before any rule was added."""
    return 409, {
        "title": "ConnectionException",
        "detail": "You must define rules using the POST /2/tweets/search/stream/rules endpoint"
        " before connecting to filtered stream.",
        "connection_issue": "RuleConfigurationIssue",
        "type": _TYPES + "streaming-connection",
    }


def in_stream(error: str, disconnect_type: str) -> Json:
    """The line by which X ends a stream: `error` is operational-disconnect, usage-capped or
    too-many-connections; `disconnect_type` tells why of the first.

    The details of UpstreamOperationalDisconnect and OperationalDisconnect are X's, those of its other types
    are not published.
    """
    if error == "too-many-connections":
        return {"errors": [too_many_connections()[1]]}
    if error == "usage-capped":
        problem = {
            "title": "UsageCapExceeded",
            "period": "Monthly",
            "scope": "Product",
            "detail": "Usage cap exceeded: Monthly product cap",
            "type": _TYPES + "usage-capped",
        }
    else:
        upstream = " upstream" if disconnect_type.startswith("Upstream") else ""
        problem = {
            "title": "operational-disconnect",
            "disconnect_type": disconnect_type,
            "detail": f"This stream has been disconnected{upstream} for operational reasons.",
            "type": _TYPES + "operational-disconnect",
        }
    return {"errors": [problem]}


def invalid_request(message: str, parameters: Json | None = None) -> Problem:
    """A request that is malformed; `parameters` are the offending ones with their values."""
    return 400, {"errors": [{"parameters": parameters or {}, "message": message}], **_INVALID}


def invalid_parameter(name: str, value: str, allowed: list[str]) -> Problem:
    """A query parameter with a value that is none of the allowed ones."""
    message = f"The `{name}` query parameter value [{value}] is not one of [{','.join(allowed)}]"
    return invalid_request(message, {name: [value]})


def invalid_rule(value: str, details: list[str]) -> Json:
    """One rule of an add request that does not parse or is not allowed."""
    return {
        "value": value,
        "details": details,
        "title": "UnprocessableEntity",
        "type": _TYPES + "invalid-rules",
    }


def duplicate_rule(value: str, identity: str) -> Json:
    """One rule of an add request that exists already, under `identity`."""
    return {"value": value, "id": identity, "title": "DuplicateRule", "type": _TYPES + "duplicate-rules"}


def rule_cap(limit: int) -> Json:
    """An add request that would exceed the number of rules."""
    return {
        "title": "RulesCapExceeded",
        "detail": f"You have exceeded the maximum number of rules: {limit}.",
        "type": _TYPES + "rule-cap",
    }


def rule_does_not_exist(parameters: Json) -> Json:
    """One rule of a delete request that is not there."""
    return {"errors": [{"message": "Rule does not exist", "parameters": parameters}], **_INVALID}


_INVALID = {
    "title": "Invalid Request",
    "detail": "One or more parameters to your request was invalid.",
    "type": _TYPES + "invalid-request",
}
