"""X's answers to what it refuses: bodies and status codes as its API gives them."""

from typing import Any

__all__ = [
    "conflict_without_rules",
    "duplicate_rule",
    "invalid_parameter",
    "invalid_request",
    "invalid_rule",
    "not_found",
    "rate_limited",
    "rule_cap",
    "rule_does_not_exist",
    "too_many_connections",
    "unauthorized",
]

Json = dict[str, Any]
Problem = tuple[int, Json]
"""An HTTP status and the body that goes with it."""

_TYPES = "https://api.twitter.com/2/problems/"


def unauthorized() -> Problem:
    """No bearer token, or one that is not known."""
    return 401, {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}


def not_found() -> Problem:
    """A path that is no endpoint."""
    return 404, {"title": "Not Found", "type": "about:blank", "status": 404, "detail": "Not Found"}


def rate_limited() -> Problem:
    """An endpoint's requests of this window are used up."""
    return 429, {
        "title": "Too Many Requests",
        "detail": "Too Many Requests",
        "type": "about:blank",
        "status": 429,
    }


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
