"""Bad input gets one sentence and exit code 2; a configuration is read from file, environment and options."""

import os
import socket
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from citypulse.replay.config import Server, load_settings
from citypulse.replay.main import main
from citypulse.replay.service import read_tokens
from citypulse.settings import BadSettingError

from .served import stored, tweet


def ran(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="citypulse-replay")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--generate", "--rate", "fast"], "play.rate = 'fast' cannot be"),
        (["--generate", "--rate", "-1"], "play.rate = '-1' cannot be"),
        (["--generate", "--duration", "soon"], "--duration is 'soon'"),
        (["--generate", "--countries", "XX"], "XX"),
        (["--generate", "--start", "noon"], "generator.start is 'noon'"),
        (["--generate", "--retweets", "2"], "generator.retweets = '2' cannot be"),
        (["--tweets", "no/such/file.json"], "no/such/file.json does not exist"),
        (["--tweets", os.devnull], "is empty"),
        ([], "give exactly one"),
        (["--config", "no/such.toml"], "no/such.toml cannot be read"),
        (["--generate", "--tls-cert", "a.pem"], "give both or neither"),
        (["--generate", "--truth", "no/such/truth"], "play.truth no/such/truth cannot be written"),
    ],
)
def test_bad_input_gets_one_sentence_and_exit_code_2(tmp_path: Path, arguments: list[str], says: str) -> None:
    result = ran("serve", "--port", "0", "--token-file", tmp_path / "token", *arguments)
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr


def test_truth_that_holds_deliveries_is_not_overwritten(tmp_path: Path) -> None:
    truth = tmp_path / "truth"
    truth.write_text('{"truth":1}\n{"at":1}\n')
    result = ran("serve", "--generate", "--truth", truth, "--token-file", tmp_path / "token", "--port", "0")
    assert result.exit_code == 2
    assert "holds what was sent before" in result.stderr
    assert truth.read_text().count("\n") == 2


def test_a_file_that_is_no_json_names_its_first_bad_line(tmp_path: Path) -> None:
    file = tmp_path / "tweets.json"
    file.write_text("not json\nneither\n")
    result = ran("serve", "--tweets", file, "--token-file", tmp_path / "token")
    assert result.exit_code == 2
    assert "2 of its 2 lines" in result.stderr
    assert "line 1:" in result.stderr


def test_a_busy_port_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        file = stored(tmp_path / "t", tweet(1))
        result = ran("serve", "--tweets", file, "--token-file", tmp_path / "token", "--port", port)
    assert result.exit_code == 1
    assert f"127.0.0.1:{port}" in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_environment_goes_over_the_file_and_options_over_both(tmp_path: Path) -> None:
    config = tmp_path / "replay.toml"
    config.write_text('[server]\nport = 1\naddress = "a"\n[play]\nrate = 1\n[source]\ngenerate = true\n')
    environment = {
        "CITYPULSE_REPLAY_SERVER_PORT": "2",
        "CITYPULSE_REPLAY_GENERATOR_COUNTRIES": "CA, GB",
        "OTHER": "x",
    }
    settings = load_settings(config, environment, {"server.port": "3", "play.hold": "true"})
    assert (settings.server.address, settings.server.port) == ("a", 3)
    assert (settings.play.rate, settings.play.hold) == (1.0, True)
    assert settings.generator.countries == ["CA", "GB"]
    assert load_settings(config, environment).server.port == 2


@pytest.mark.parametrize(
    ("text", "environment", "says"),
    [
        ("[play]\nspeeed = 2\n", {}, "play.speeed is not a key of the replay's configuration"),
        ("", {"CITYPULSE_REPLAY_PLAY_SPEEED": "2"}, "CITYPULSE_REPLAY_PLAY_SPEEED"),
        ("[server]\nport = 70000\n", {}, "server.port = 70000 cannot be"),
        ("[source]\norder = 'random'\n", {}, "source.order = 'random' cannot be"),
        ("[source]\nplace_country = 'Canada'\n", {}, "source.place_country = 'Canada' cannot be"),
    ],
)
def test_an_unknown_key_or_an_impossible_value_stops_the_start(
    tmp_path: Path, text: str, environment: dict[str, str], says: str
) -> None:
    config = tmp_path / "replay.toml"
    config.write_text(text)
    with pytest.raises(BadSettingError) as caught:
        load_settings(config, environment, {"source.generate": "true"})
    assert says in str(caught.value)


def test_a_missing_token_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "token"
    (token,) = read_tokens(Server(token_file=str(path)))
    assert len(token) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_tokens(Server(token_file=str(path))) == [token]


def test_an_empty_token_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("\n")
    with pytest.raises(BadSettingError, match="is empty"):
        read_tokens(Server(token_file=str(path)))


def test_every_command_has_help_with_an_example() -> None:
    for name in ("serve", "generate", "places"):
        assert f"\n    citypulse-replay {name}" in ran(name, "--help").output
