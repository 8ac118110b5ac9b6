"""The language of filtered-stream rules: text to tree, tree to text, and what X refuses.

    rule      = and-group { "OR" and-group }      AND binds tighter than OR
    and-group = clause { clause }                 a space is AND
    clause    = [ "-" ] ( "(" rule ")" | term )
    term      = keyword | "quoted phrase" | #tag | @user | $tag
              | operator:value | operator:"value" | operator:[numbers]

Errors carry X's own wording where it is known, with the position of the first character counted from 1.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from citypulse.replay.rule_operators import ALIASES, CONJUNCTION_REQUIRED, OPERATORS

__all__ = ["And", "InvalidRuleError", "Node", "Not", "Or", "Term", "parse", "to_text"]


class InvalidRuleError(ValueError):
    """A rule that X would not accept; `details` are its reasons, one sentence each."""

    def __init__(self, *details: str) -> None:
        super().__init__("; ".join(details))
        self.details = list(details)


@dataclass(frozen=True, slots=True)
class Term:
    """One operator with its value; `op` is "keyword", "phrase", "#", "@", "$" or an operator's name without
    its colon.
    """

    op: str
    value: str
    position: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """Matches what its clause does not."""

    clause: "Node"


@dataclass(frozen=True, slots=True)
class And:
    """Matches what all of its clauses match; never nested directly in another And."""

    clauses: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Matches what any of its clauses matches; never nested directly in another Or."""

    clauses: tuple["Node", ...]


Node = Term | Not | And | Or

_TOKEN = re.compile(
    r"""
    (?P<space>\s+) | (?P<open>\() | (?P<close>\)) | (?P<or>OR(?=[\s()]|$)) | (?P<not>-(?=[^\s)])) |
    (?P<operator>[a-z_]+):(?:"(?P<quoted_value>(?:[^"\\]|\\.)*)"|\[(?P<list_value>[^\]]*)\]|(?P<value>[^\s()"]+))
    | "(?P<phrase>(?:[^"\\]|\\.)*)" | (?P<sigil>[#@$])(?P<name>[\w]+) | (?P<keyword>[^\s()"\[\]]+)
    """,
    re.VERBOSE,
)
_DEEPEST = 50


def parse(text: str) -> Node:
    """The tree of a rule; raises InvalidRuleError where X would refuse it."""
    parser = _Parser(text)
    tree = parser.rule()
    if parser.kind != "end":
        raise InvalidRuleError(f"missing EOF at '{parser.token}' (at position {parser.position})")
    _refuse_unanchored(tree)
    return tree


class _Parser:
    """Recursive descent over the tokens of one rule, one token ahead."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.depth = 0
        self.advance()

    def advance(self) -> None:
        self.kind, self.token, self.position, self.match = next(self.tokens)

    def rule(self) -> Node:
        groups = [self.and_group()]
        while self.kind == "or":
            self.advance()
            groups.append(self.and_group())
        return _flat(Or, groups)

    def and_group(self) -> Node:
        clauses = [self.clause()]
        while self.kind not in ("or", "close", "end"):
            clauses.append(self.clause())
        return _flat(And, clauses)

    def clause(self) -> Node:
        if self.kind in ("not", "open"):
            self.depth += 1
            if self.depth > _DEEPEST:
                raise InvalidRuleError(
                    f"Rules must not nest deeper than {_DEEPEST} levels (at position {self.position})"
                )
            node = self.negation() if self.kind == "not" else self.group()
            self.depth -= 1
            return node
        if self.match is None or self.kind not in ("operator", "phrase", "sigil", "keyword"):
            raise InvalidRuleError(
                f"no viable alternative at input '{self.token}' (at position {self.position})"
            )
        term = _term(self.match, self.position)
        self.advance()
        return term

    def negation(self) -> Node:
        self.advance()
        return Not(self.clause())

    def group(self) -> Node:
        self.advance()
        inner = self.rule()
        if self.kind != "close":
            raise InvalidRuleError(f"missing ')' at '{self.token}' (at position {self.position})")
        self.advance()
        return inner


def _tokens(text: str) -> Iterator[tuple[str, str, int, re.Match[str] | None]]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise InvalidRuleError(f"no viable alternative at input '{text[at]}' (at position {at + 1})")
        # lastgroup names the value inside an operator; the token's kind is the first group that took part.
        kind = next(name for name in _KINDS if match[name] is not None)
        if kind != "space":
            yield kind, match[0], at + 1, match
        at = match.end()
    while True:
        yield "end", "<EOF>", len(text) + 1, None


_KINDS = ("space", "open", "close", "or", "not", "operator", "phrase", "sigil", "keyword")


def _flat(kind: type[And] | type[Or], nodes: list[Node]) -> Node:
    """One clause as itself; nested groups of the same kind joined, as both are associative."""
    if len(nodes) == 1:
        return nodes[0]
    clauses: list[Node] = []
    for node in nodes:
        clauses.extend(node.clauses if isinstance(node, And | Or) and type(node) is kind else [node])
    return kind(tuple(clauses))


def _term(match: re.Match[str], position: int) -> Term:
    if match["operator"]:
        op = ALIASES.get(match["operator"], match["operator"])
        quoted, listed = match["quoted_value"], match["list_value"]
        value = _unescape(quoted) if quoted is not None else listed if listed is not None else match["value"]
        check = OPERATORS.get(op)
        if check is None:
            raise InvalidRuleError(
                f"Reference to invalid operator '{op}' (at position {position}).",
                f"Reference to invalid field '{op}' (at position {position}).",
            )
        if not check(value):
            shown = f"'{op}:{value}'"
            if op in ("is", "has"):
                raise InvalidRuleError(f"Reference to invalid operator {shown} (at position {position}).")
            raise InvalidRuleError(f"Invalid value for operator {shown} (at position {position}).")
        return Term(op, " ".join(value.split()), position)
    if match["phrase"] is not None:
        phrase = _unescape(match["phrase"])
        if not phrase.strip():
            raise InvalidRuleError(f"Empty quoted phrases are not allowed (at position {position})")
        return Term("phrase", phrase, position)
    if match["sigil"]:
        return Term(match["sigil"], match["name"], position)
    word = match["keyword"]
    if word in ("and", "or", "AND"):
        raise InvalidRuleError(
            f"Ambiguous use of {word.lower()} as a keyword. Use a space to logically join two clauses, "
            f'or "{word.lower()}" to find occurrences of {word.lower()} in text (at position {position})'
        )
    if word == "-" or ":" in word or word[0] in "#@$":
        raise InvalidRuleError(f"no viable alternative at input '{word}' (at position {position})")
    return Term("keyword", word, position)


def _refuse_unanchored(tree: Node) -> None:
    """X wants a positive standalone operator in every alternative of a rule, else it would match far too
    much.
    """
    for term, negated in _terms(tree):
        if term.op == "sample" and negated:
            raise InvalidRuleError(f"sample cannot be negated (at position {term.position})")
        if term.op == "is" and term.value == "nullcast" and not negated:
            raise InvalidRuleError(f"is:nullcast must be negated (at position {term.position})")
    if _anchored(tree):
        return
    positive = [term for term, negated in _terms(tree) if not negated]
    if positive and all(term.op in CONJUNCTION_REQUIRED for term in positive):
        at = positive[0]
        name = "sample" if at.op == "sample" else "is/has/lang"
        raise InvalidRuleError(f"{name} cannot be used as a standalone operator (at position {at.position})")
    raise InvalidRuleError(
        "Rules must contain a non-negation term (at position 1)",
        "Rules must contain at least one positive, non-stopword clause (at position 1)",
    )


def _anchored(node: Node) -> bool:
    match node:
        case Term():
            return node.op not in CONJUNCTION_REQUIRED
        case Not():
            return False
        case And():
            return any(map(_anchored, node.clauses))
        case Or():
            return all(map(_anchored, node.clauses))


def _terms(node: Node, negated: bool = False) -> Iterator[tuple[Term, bool]]:
    match node:
        case Term():
            yield node, negated
        case Not():
            yield from _terms(node.clause, not negated)
        case And() | Or():
            for clause in node.clauses:
                yield from _terms(clause, negated)


def to_text(node: Node) -> str:
    """The rule that parses into this tree, in its shortest usual form."""
    match node:
        case Term():
            return _term_text(node)
        case Not():
            inner = to_text(node.clause)
            return f"-({inner})" if isinstance(node.clause, And | Or) else f"-{inner}"
        case And():
            return " ".join(f"({to_text(c)})" if isinstance(c, Or) else to_text(c) for c in node.clauses)
        case Or():
            return " OR ".join(to_text(c) for c in node.clauses)


def _term_text(term: Term) -> str:
    if term.op in ("keyword", "#", "@", "$"):
        return ("" if term.op == "keyword" else term.op) + term.value
    if term.op == "phrase":
        return _quoted(term.value)
    if term.op in ("bounding_box", "point_radius"):
        return f"{term.op}:[{term.value}]"
    plain = re.fullmatch(r'[^\s()"\[\]]+', term.value)
    return f"{term.op}:{term.value if plain else _quoted(term.value)}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unescape(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value)
