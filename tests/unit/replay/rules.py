"""Hypothesis strategies: rules that X accepts, and tweets that some of them match."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from citypulse.replay.rule_syntax import And, Node, Not, Or, Term

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For machines that do much else at the same time."""

WORDS = ("cat", "dog", "café", "東京", "rain", "😬")
NAMES = ("ada", "bob", "Cy_9")
IDS = ("11", "12", "13")
TAGS = ("nhl", "rain", "café")
COUNTRIES = ("CA", "GB")
PLACES = (
    {
        "id": "p1",
        "name": "London",
        "full_name": "London, Ontario",
        "country_code": "CA",
        "bbox": [-81.4, 42.9, -81.1, 43.1],
    },
    {
        "id": "p2",
        "name": "London",
        "full_name": "London, England",
        "country_code": "GB",
        "bbox": [-0.5, 51.3, 0.3, 51.7],
    },
    {"id": "p3", "name": "Val-d'Or", "full_name": "Val-d'Or, Québec", "bbox": [-77.9, 48.0, -77.7, 48.2]},
)
BOXES = ("-81.45 42.85 -81.05 43.15", "-77.95 47.95 -77.65 48.25")
CIRCLES = ("-81.25 43.0 30km", "-77.8 48.1 24mi", "-0.1 51.5 10km")

standalone = st.one_of(
    st.builds(Term, st.just("keyword"), st.sampled_from(WORDS)),
    st.builds(
        Term, st.just("phrase"), st.lists(st.sampled_from(WORDS), min_size=1, max_size=2).map(" ".join)
    ),
    st.builds(Term, st.just("#"), st.sampled_from(TAGS)),
    st.builds(Term, st.just("@"), st.sampled_from(NAMES)),
    st.builds(Term, st.sampled_from(["from", "to", "retweets_of"]), st.sampled_from(NAMES)),
    st.builds(Term, st.sampled_from(["retweets_of_tweet_id", "in_reply_to_tweet_id"]), st.sampled_from(IDS)),
    st.builds(Term, st.just("place_country"), st.sampled_from(COUNTRIES)),
    st.builds(Term, st.just("place"), st.sampled_from(["p1", "London", "London, England", "val-d'or"])),
    st.builds(Term, st.just("bounding_box"), st.sampled_from(BOXES)),
    st.builds(Term, st.just("point_radius"), st.sampled_from(CIRCLES)),
)
conjunction = st.one_of(
    st.builds(Term, st.just("is"), st.sampled_from(["retweet", "reply", "quote"])),
    st.builds(Term, st.just("has"), st.sampled_from(["geo", "hashtags", "mentions"])),
    st.builds(Term, st.just("lang"), st.sampled_from(["en", "fr"])),
)


def joined(kind: type[And] | type[Or], clauses: list[Node]) -> Node:
    flat: list[Node] = []
    for clause in clauses:
        flat += clause.clauses if isinstance(clause, kind) else [clause]
    return kind(tuple(flat))


def rules() -> st.SearchStrategy[Node]:
    """Any rule with a positive standalone term in each of its alternatives."""
    anything: st.SearchStrategy[Node] = st.recursive(
        standalone | conjunction,
        lambda inner: (
            st.builds(Not, inner)
            | st.builds(lambda c: joined(And, c), st.lists(inner, min_size=2, max_size=3))
            | st.builds(lambda c: joined(Or, c), st.lists(inner, min_size=2, max_size=3))
        ),
        max_leaves=5,
    )
    return st.recursive(
        standalone,
        lambda anchored: (
            st.builds(
                lambda a, others: joined(And, [a, *others]),
                anchored,
                st.lists(anything, min_size=1, max_size=2),
            )
            | st.builds(lambda c: joined(Or, c), st.lists(anchored, min_size=2, max_size=3))
        ),
        max_leaves=6,
    )


@st.composite
def tweets(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A tweet and its includes, as the stream holds them."""
    users = [{"id": str(100 + n), "username": name} for n, name in enumerate(NAMES)]
    author, other = draw(st.sampled_from(users)), draw(st.sampled_from(users))
    data: dict[str, Any] = {"id": str(draw(st.integers(1, 10**18))), "author_id": author["id"]}
    text = " ".join(draw(st.lists(st.sampled_from(WORDS), max_size=4)))
    references = draw(
        st.lists(st.sampled_from(["replied_to", "quoted", "retweeted"]), unique=True, max_size=2)
    )
    includes: dict[str, Any] = {"users": users}
    if "retweeted" in references:
        text = f"RT @{other['username']}: {text}"
        references = ["retweeted"]
    if references:
        data["referenced_tweets"] = [{"type": kind, "id": draw(st.sampled_from(IDS))} for kind in references]
    if "replied_to" in references:
        data["in_reply_to_user_id"] = other["id"]
    tags = draw(st.lists(st.sampled_from(TAGS), max_size=2))
    text += "".join(f" #{tag}" for tag in tags)
    if draw(st.booleans()) and references != ["retweeted"]:
        place = draw(st.sampled_from(PLACES))
        data["geo"] = {"place_id": place["id"]}
        shown = {key: value for key, value in place.items() if key != "bbox"}
        includes["places"] = [{**shown, "geo": {"type": "Feature", "bbox": place["bbox"], "properties": {}}}]
    if draw(st.booleans()):
        data["lang"] = draw(st.sampled_from(["en", "fr"]))
    data["text"] = text
    return data, includes
