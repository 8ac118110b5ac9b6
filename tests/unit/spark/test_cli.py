"""The command line: one sentence and an exit code for each mistake that needs no server."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from citypulse.spark.cli import main

CONFIG = 'checkpoint_dir = "{}/checkpoint"\n[cassandra]\nport = 1\nwait_seconds = 0.1\n'


def run(directory: Path, *arguments: str, text: str = CONFIG) -> tuple[int, str]:
    file = directory / "job.toml"
    file.write_text(text.format(directory))
    result = CliRunner().invoke(main, [arguments[0], "--config", str(file), *arguments[1:]])
    return result.exit_code, result.stderr


def test_drop_refuses_the_live_run(tmp_path: Path) -> None:
    code, said = run(tmp_path, "drop", "--yes")
    assert code == 2
    assert said.startswith("citypulse-spark: run is empty, which is the live run")


def test_drop_refuses_a_checkpoint_that_is_not_local(tmp_path: Path) -> None:
    code, said = run(tmp_path, "drop", "--yes", text='run = "x"\ncheckpoint_dir = "s3a://b/c"\n')
    assert code == 2
    assert "checkpoint_dir = s3a://b/c is not a local directory" in said


@pytest.mark.parametrize("options", [(), ("--tweets", "a", "--anchors", "b")])
def test_verify_takes_exactly_one_thing_to_compare_with(tmp_path: Path, options: tuple[str, ...]) -> None:
    code, said = run(tmp_path, "verify", *options)
    assert code == 2
    assert "takes one of --topic, " in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist"),
        ("", "is empty"),
        ("no tweet\n", "holds no tweet"),
    ],
)
def test_verify_names_a_file_without_tweets(tmp_path: Path, content: str | None, said: str) -> None:
    file = tmp_path / "tweets.jsonl"
    if content is not None:
        file.write_text(content)
    code, sentence = run(tmp_path, "verify", "--tweets", str(file))
    assert code == 2
    assert said in sentence
    assert sentence.count("\n") == 1


def test_cassandra_that_does_not_answer_is_named(tmp_path: Path) -> None:
    code, said = run(tmp_path, "verify", "--write-anchors", str(tmp_path))
    assert code == 1
    assert "cassandra.contact_points = 127.0.0.1 port 1 did not answer within 0 s" in said


def test_an_unknown_key_stops_the_job(tmp_path: Path) -> None:
    code, said = run(tmp_path, "job", text="checkpoint = 1\n")
    assert code == 2
    assert (
        said == "citypulse-spark: checkpoint is not a key of the job's configuration: remove or correct it\n"
    )


@pytest.mark.parametrize("command", ["job", "verify", "reprocess", "export", "drop"])
def test_help_shows_examples(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert "Examples:" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("verify", "--topic", "--last", "soon"), "--last soon is no duration"),
        (
            ("verify", "--anchors", "a", "--last", "1h"),
            "--last, --from, --to, --wait and --metrics belong to --topic",
        ),
        (("reprocess",), "a span is missing: give --last"),
        (("reprocess", "--due", "--last", "1h"), "--due takes what is on the list"),
        (("reprocess", "--last", "1h", "--journal", "none"), "--journal none cannot be read"),
        (("export", "--last", "1h", "--format", "parquet"), "--format parquet needs a file"),
        (("export", "--last", "1h", "--countries", "--city", "CA:1"), "--countries and --city exclude"),
        (("export", "--last", "1h", "--country", "*"), "--country * has no cities"),
    ],
)
def test_options_that_do_not_fit_are_named(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    code, sentence = run(tmp_path, *arguments)
    assert code == 2
    assert said in sentence
    assert sentence.count("\n") == 1
