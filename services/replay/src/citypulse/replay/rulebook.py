"""The rules of one token: added, listed, deleted as X's rules endpoint does, and matched against tweets."""

import time
from typing import Annotated, Any

import msgspec

from citypulse.replay import problems
from citypulse.replay.rule_match import Matcher
from citypulse.replay.rule_syntax import InvalidRuleError, Node, parse

__all__ = ["Limits", "Rule", "Rulebook"]

Json = dict[str, Any]


_Limit = Annotated[int, msgspec.Meta(ge=1)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """X's limits of an account: rules a token, characters a rule and a query of recent search or counts,
    streams a token, requests a window of `window_seconds`, time buckets a page of counts (7 days of minutes).
    """

    rules: _Limit = 1000
    rule_characters: _Limit = 1024
    query_characters: _Limit = 512
    connections: _Limit = 1
    stream_requests: _Limit = 50
    rules_get_requests: _Limit = 450
    rules_post_requests: _Limit = 100
    search_requests: _Limit = 450
    counts_requests: _Limit = 300
    counts_buckets: _Limit = 10_081
    window_seconds: _Limit = 900


class Rule(msgspec.Struct, frozen=True):
    """A rule as it was added; `tag` is empty where none was given, as X reports it on the stream."""

    id: str
    value: str
    tag: str
    node: Node

    def listed(self) -> Json:
        """The rule as the rules endpoint shows it: without a tag where there is none."""
        return {"id": self.id, "value": self.value, **({"tag": self.tag} if self.tag else {})}

    def matched(self) -> Json:
        """The rule as a matching_rules entry, where the tag is always present."""
        return {"id": self.id, "tag": self.tag}


class Rulebook:
    """All rules of one token. Rules can change while its stream is connected; the next tweet meets the new
    ones.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._rules: dict[str, Rule] = {}
        self._last_id = 0
        self._matcher: Matcher[Rule] | None = None

    def __len__(self) -> int:
        return len(self._rules)

    def all(self) -> list[Rule]:
        """The rules in the order in which they were added."""
        return list(self._rules.values())

    def match(self, data: Json, includes: Json) -> list[Rule]:
        """The rules that a tweet matches."""
        if self._matcher is None:
            self._matcher = Matcher([(rule, rule.node) for rule in self._rules.values()])
        return self._matcher.match(data, includes)

    def listing(self, ids: list[str] | None = None) -> Json:
        """The answer to a GET: all rules, or those of `ids`."""
        rules = [rule.listed() for rule in self._rules.values() if ids is None or rule.id in ids]
        return {**({"data": rules} if rules else {}), "meta": {"sent": _sent(), "result_count": len(rules)}}

    def add(self, wanted: list[Json], *, dry_run: bool, limits: Limits | None = None) -> tuple[int, Json]:
        """Add rules, each with `value` and perhaps `tag`; the HTTP status and the body that X answers with.

        Rules that are invalid or exist already are reported one by one; the others are created. Over the
        limit none is. `limits` are those of this request where they are not the rulebook's.
        """
        limits = limits or self._limits
        known = {rule.value: rule.id for rule in self._rules.values()}
        created: list[Rule] = []
        errors: list[Json] = []
        for item in wanted:
            value = item["value"].strip()
            if value in known:
                errors.append(problems.duplicate_rule(value, known[value]))
                continue
            try:
                rule = Rule(
                    self._next_id(), value, item.get("tag") or "", _parsed(value, limits.rule_characters)
                )
            except InvalidRuleError as error:
                errors.append(problems.invalid_rule(value, error.details))
                continue
            known[value] = rule.id
            created.append(rule)
        valid = len(created)
        if len(self._rules) + valid > limits.rules:
            errors.append(problems.rule_cap(limits.rules))
            created = []
        if created and not dry_run:
            self._rules |= {rule.id: rule for rule in created}
            self._matcher = None
        summary = {
            "created": len(created),
            "not_created": len(wanted) - len(created),
            "valid": valid,
            "invalid": len(wanted) - valid,
        }
        body: Json = {"data": [rule.listed() for rule in created]} if created else {}
        body["meta"] = {"sent": _sent(), "summary": summary}
        if errors:
            body["errors"] = errors
        return (201 if created else 200), body

    def delete(self, field: str, wanted: list[str], *, dry_run: bool) -> tuple[int, Json]:
        """Delete rules by `field`, "ids" or "values"; the HTTP status and the body that X answers with."""
        by_value = {rule.value: rule.id for rule in self._rules.values()}
        found: set[str] = set()
        errors: list[Json] = []
        for key in wanted:
            identity = key if field == "ids" else by_value.get(key.strip(), "")
            if identity in self._rules and identity not in found:
                found.add(identity)
            else:
                errors.append(problems.rule_does_not_exist({field: [key]}))
        if found and not dry_run:
            self._rules = {identity: rule for identity, rule in self._rules.items() if identity not in found}
            self._matcher = None
        summary = {"deleted": len(found), "not_deleted": len(wanted) - len(found)}
        body: Json = {"meta": {"sent": _sent(), "summary": summary}}
        if errors:
            body["errors"] = errors
        return 200, body

    def clear(self) -> int:
        """Delete all rules; how many there were."""
        count = len(self._rules)
        self._rules, self._matcher = {}, None
        return count

    def _next_id(self) -> str:
        self._last_id = max(self._last_id + 1, (int(time.time() * 1000) - 1288834974657) << 22)
        return str(self._last_id)


def _parsed(value: str, longest: int) -> Node:
    if len(value) > longest:
        reason = f"Rule length of {len(value)} exceeds the maximum of {longest} characters"
        raise InvalidRuleError(f"{reason} (at position {longest + 1})")
    return parse(value)


def _sent() -> str:
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"
