"""What is wrong with a configuration is said in one sentence that names the key."""

from pathlib import Path

import pytest

from citypulse.producer.config import Config, Feed, bearer_token, load
from citypulse.producer.errors import BadInputError

GOOD = """
name = "main"
run = "demo"
[x]
base_url = "http://127.0.0.1:8900"
[[feeds]]
name = "all"
countries = ["CA", "GB"]
[journal]
dir = "/var/journal"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "producer.toml"
    path.write_text(GOOD)
    return path


def sentence(file: Path, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(BadInputError) as caught:
        load(file, environment or {})
    text = str(caught.value)
    assert "\n" not in text
    assert caught.value.exit_code == 2
    return text


def test_a_file_gives_its_values_and_defaults_the_rest(file: Path) -> None:
    config = load(file, {})
    assert config.feeds == (Feed("all", ("CA", "GB")),)
    assert config.topic("tweets") == "demo.tweets"
    assert config.journal.group_records == 100
    assert Config().topic("tweets") == "tweets"


def test_every_key_is_an_environment_variable_that_wins(file: Path) -> None:
    config = load(
        file,
        {
            "CITYPULSE_PRODUCER_NAME": "west",
            "CITYPULSE_PRODUCER_STOP_SECONDS": "2.5",
            "CITYPULSE_PRODUCER_X_GZIP": "false",
            "CITYPULSE_PRODUCER_JOURNAL_GROUP_MS": "7",
            "CITYPULSE_PRODUCER_KAFKA_BOOTSTRAP_SERVERS": "a:1,b:2",
            "CITYPULSE_PRODUCER_FEEDS": '[{"name": "uk", "countries": ["GB"], "topic": "tweets.uk"}]',
            "OTHER": "1",
        },
    )
    assert (config.name, config.stop_seconds, config.x.gzip, config.journal.group_ms) == (
        "west",
        2.5,
        False,
        7,
    )
    assert config.kafka.bootstrap_servers == ("a:1", "b:2")
    assert config.feeds == (Feed("uk", ("GB",), topic="tweets.uk"),)


def test_the_environment_alone_is_enough() -> None:
    config = load(
        None,
        {
            "CITYPULSE_PRODUCER_JOURNAL_DIR": "/j",
            "CITYPULSE_PRODUCER_FEEDS": '[{"name": "a", "query": "cats"}]',
        },
    )
    assert config.journal.dir == "/j"


def test_a_feed_of_the_command_line_replaces_the_one_of_its_name_or_joins(file: Path) -> None:
    assert load(file, {}, Feed("all", ("FR",))).feeds == (Feed("all", ("FR",)),)
    assert [feed.name for feed in load(file, {}, Feed("new", ("FR",))).feeds] == ["all", "new"]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("[journal]\ndirectory = 1", "journal.directory is not a key"),
        ("[journal]\ngroup_ms = 0", "journal.group_ms = 0 cannot be"),
        ("[http]\nport = 70000", "http.port = 70000 cannot be"),
        ("run = 'a b'", "run = 'a b' cannot be"),
        ("[[feeds]]\ncountries = ['CA']", "feeds[0].name is not set"),
        ("[[feeds]]\nname = 'a'\ncountry = 'CA'", "feeds[0].country is not a key"),
    ],
)
def test_a_key_that_is_wrong_is_named(tmp_path: Path, line: str, names: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(line)
    assert names in sentence(path)


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ('dir = "/var/journal"', "", "journal.dir"),
        ('countries = ["CA", "GB"]', 'countries = ["CAN"]', "feeds.all.countries: 'CAN'"),
        ('countries = ["CA", "GB"]', "", "feeds.all matches nothing"),
        ('"http://127.0.0.1:8900"', '"127.0.0.1"', "x.base_url"),
        ("[journal]", '[kafka]\nbootstrap_servers = ["a"]\n[journal]', "kafka.bootstrap_servers: 'a'"),
        ("[journal]", "[kafka]\nbootstrap_servers = []\n[journal]", "kafka.bootstrap_servers is empty"),
        ("[journal]", '[[feeds]]\nname = "all"\nquery = "x"\n[journal]', "'all' is there twice"),
        ("[journal]", "[retweets]\nrequests_left = 99\n[journal]", "retweets.requests_left = 99"),
    ],
)
def test_values_that_cannot_be_together_are_named(file: Path, old: str, new: str, names: str) -> None:
    file.write_text(GOOD.replace(old, new))
    assert names in sentence(file)


def test_without_a_feed_there_is_nothing_to_do(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text('[journal]\ndir = "/j"')
    assert "feeds is empty" in sentence(path)


def test_a_variable_that_is_no_key_is_named(file: Path) -> None:
    environment = {"CITYPULSE_PRODUCER_JOURNAL_DIRR": "1"}
    said = "CITYPULSE_PRODUCER_JOURNAL_DIRR names no key of the producer's configuration"
    assert said in sentence(file, environment)


def test_the_token_comes_from_the_environment_before_the_file(file: Path, tmp_path: Path) -> None:
    config = load(file, {})
    (tmp_path / "token").write_text("from-file\n# not this\n")
    assert bearer_token(config, {"X_BEARER_TOKEN": "direct", "X_BEARER_TOKEN_FILE": "/nope"}) == "direct"
    assert bearer_token(config, {"X_BEARER_TOKEN_FILE": str(tmp_path / "token")}) == "from-file"


def test_a_missing_token_names_the_key(file: Path, tmp_path: Path) -> None:
    config = load(file, {})
    (tmp_path / "empty").write_text("\n")
    for environment, names in (
        ({}, "x.bearer_token_file is not set"),
        ({"X_BEARER_TOKEN_FILE": "/nope"}, "/nope cannot be read"),
        ({"X_BEARER_TOKEN_FILE": str(tmp_path / "empty")}, "holds no bearer token"),
    ):
        with pytest.raises(BadInputError, match=names):
            bearer_token(config, environment)


@pytest.mark.parametrize("token", ["geheim\nwort", "geheim\rwort", "geheim wort", "gehéim", "geheim\x00wort"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_repeated(
    file: Path, tmp_path: Path, token: str
) -> None:
    config = load(file, {})
    (tmp_path / "token").write_bytes(token.replace("\n", " ").replace("\r", " ").encode("latin-1"))
    for environment in ({"X_BEARER_TOKEN": token}, {"X_BEARER_TOKEN_FILE": str(tmp_path / "token")}):
        with pytest.raises(BadInputError, match="holds no bearer token") as caught:
            bearer_token(config, environment)
        assert "wort" not in str(caught.value)


@pytest.mark.parametrize(
    ("feed", "names"),
    [
        (Feed("x/y", ("CA",)), "--feed = 'x/y' cannot be"),
        (Feed("", ("CA",)), "--feed = '' cannot be"),
        (Feed("all", ("CA",), topic="a b"), "--topic = 'a b' cannot be"),
    ],
)
def test_a_feed_of_the_command_line_is_checked_like_one_of_the_file(
    file: Path, feed: Feed, names: str
) -> None:
    with pytest.raises(BadInputError) as caught:
        load(file, {}, feed)
    assert names in str(caught.value)
