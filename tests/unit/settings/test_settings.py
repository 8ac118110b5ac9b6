"""One struct, three sources, the last one wins; whatever is wrong is said in one sentence that names it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from citypulse.settings import BadSettingError, Section, load

PREFIX = "CITYPULSE_SAMPLE_"


class Route(Section, frozen=True):
    to: str
    weight: int = 1


class Disk(Section, frozen=True):
    dir: str = ""
    max_bytes: Annotated[int, Meta(ge=1)] = 1
    sync: bool = True


class Nested(Section, frozen=True):
    depth: int = 0
    disk: Disk = Disk()


class Sample(Section, frozen=True):
    name: Annotated[str, Meta(description="a described key is read as any other")] = "main"
    share: Annotated[float, Meta(ge=0, le=1)] = 0.5
    mode: Literal["fast", "safe"] = "safe"
    hosts: Annotated[tuple[str, ...], Meta(description="so is a described list")] = ()
    tags: list[str] = msgspec.field(default_factory=list)
    sizes: list[int] = msgspec.field(default_factory=list)
    pair: tuple[str, int] = ("", 0)
    routes: tuple[Route, ...] = ()
    properties: dict[str, str] = msgspec.field(default_factory=dict)
    by_city: dict[Annotated[str, Meta(max_length=3)], Route] = msgspec.field(default_factory=dict)
    disk: Disk = Disk()
    nested: Nested = Nested()


class Needy(Section, frozen=True):
    must: str


def read(
    file: Path | None = None,
    environment: Mapping[str, str] = {},
    options: Mapping[str, Any] = {},
    kind: type[Any] = Sample,
) -> Any:
    return load(kind, name="sample", prefix=PREFIX, file=file, environment=environment, options=options)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings") / "sample.toml"


# --- What is read -----------------------------------------------------------------------------------------

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
# What commas separate has neither commas nor blanks around it.
items = words.map(lambda text: text.replace(",", "").strip()).filter(bool)
integers = st.integers(-(1 << 63), (1 << 63) - 1)
routes = st.fixed_dictionaries({"to": words}, optional={"weight": integers})


def table(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keys)


disks = table(dir=words, max_bytes=st.integers(1, (1 << 63) - 1), sync=st.booleans())
trees = table(
    name=words,
    share=st.floats(0, 1),
    mode=st.sampled_from(["fast", "safe"]),
    hosts=st.lists(items, max_size=3),
    tags=st.lists(items, max_size=3),
    sizes=st.lists(integers, max_size=3),
    pair=st.tuples(words, integers).map(list),
    routes=st.lists(routes, max_size=2),
    properties=st.dictionaries(words, words, max_size=3),
    by_city=st.dictionaries(words.map(lambda text: text[:3]), routes, max_size=2),
    disk=disks,
    nested=table(depth=integers, disk=disks),
)

SECTIONS = {"disk", "nested", "nested.disk"}


def leaves(tree: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """`section.key` to value."""
    found = {}
    for key, value in tree.items():
        name = f"{path}.{key}".lstrip(".")
        found |= leaves(value, name) if name in SECTIONS else {name: value}
    return found


def variables(tree: Mapping[str, Any]) -> dict[str, str]:
    """The tree as a person writes it in the environment."""
    return {
        PREFIX + key.replace(".", "_").upper(): (
            ", ".join(value)
            if key in ("hosts", "tags")
            else value
            if isinstance(value, str)
            else msgspec.json.encode(value).decode()
        )
        for key, value in leaves(tree).items()
    }


@given(trees)
def test_file_environment_and_options_give_the_same(file: Path, tree: dict[str, Any]) -> None:
    file.write_text(tomli_w.dumps(tree), encoding="utf-8", newline="\n")
    expected = msgspec.convert(tree, Sample)
    assert read(file) == expected
    assert read(environment=variables(tree)) == expected
    assert read(options=leaves(tree)) == expected


@given(trees, trees, trees)
def test_the_environment_goes_over_the_file_and_options_over_both(
    file: Path, in_file: dict[str, Any], in_environment: dict[str, Any], given: dict[str, Any]
) -> None:
    file.write_text(tomli_w.dumps(in_file), encoding="utf-8", newline="\n")
    expected = read(options=leaves(in_file) | leaves(in_environment) | leaves(given))
    assert read(file, variables(in_environment), leaves(given)) == expected


def test_without_any_source_all_is_at_its_default() -> None:
    assert read(environment={"OTHER": "1", "CITYPULSE_OTHER_NAME": "2"}) == Sample()


def test_blank_items_of_a_list_are_dropped() -> None:
    environment = {"CITYPULSE_SAMPLE_HOSTS": " a:1,, b:2 ,", "CITYPULSE_SAMPLE_TAGS": ""}
    sample = read(environment=environment, options={"tags": ["x"]})
    assert (sample.hosts, sample.tags) == (("a:1", "b:2"), ["x"])
    assert read(environment=environment).tags == []


def test_numbers_and_booleans_may_be_texts_everywhere(file: Path) -> None:
    file.write_text('share = "0.25"\nsizes = ["1"]\n[disk]\nsync = "false"')
    sample = read(file, options={"disk.max_bytes": "7"})
    assert (sample.share, sample.sizes, sample.disk) == (0.25, [1], Disk(max_bytes=7, sync=False))


# --- What is refused --------------------------------------------------------------------------------------


def sentence(*arguments: Any, **named: Any) -> str:
    with pytest.raises(BadSettingError, match=r"\A[^\n]+\Z") as caught:
        read(*arguments, **named)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nam = 1", "nam is not a key of the sample's configuration: remove or correct it"),
        ("[nested.disk]\ndirr = 1", "nested.disk.dirr is not a key of the sample's configuration: "),
        ("[[routes]]\nto = 'a'\nvia = 'b'", "routes[0].via is not a key of"),
        ("[by_city.x]\nto = 'a'\nvia = 'b'", "by_city[...].via is not a key of"),
        ("[[routes]]\nto = 'a'\n[[routes]]\nweight = 1", "routes[1].to is not set: give it a value"),
        ("[by_city.x]\nweight = 1", "by_city[...].to is not set: give it a value"),
        ("name = 3", "name = 3 cannot be: expected `str`, got `int`"),
        ("[disk]\nmax_bytes = 'much'", "disk.max_bytes = 'much' cannot be: expected `int`, got `str`"),
        ("[disk]\nmax_bytes = 0", "disk.max_bytes = 0 cannot be: expected `int` >= 1"),
        ("mode = 'slow'", "mode = 'slow' cannot be: expected one of 'fast', 'safe'"),
        ("disk = 3", "disk = 3 cannot be: expected `object`, got `int`"),
        ("share = []", "share = [] cannot be: expected `float`, got `array`"),
        ("hosts = ['a', 1]", "hosts[1] = 1 cannot be: expected `str`, got `int`"),
        ("[[routes]]\nto = 1", "routes[0].to = 1 cannot be: expected `str`, got `int`"),
        ("properties = {a = 1}", "properties[...] cannot be: expected `str`, got `int`"),
        ("[by_city.x]\nto = 1", "by_city[...].to cannot be: expected `str`, got `int`"),
        ("by_city = {city = {to = 'a'}}", "a key of by_city cannot be: expected `str` of length <= 3"),
        (f"routes = '{'x' * 500}'", f"routes = '{'x' * 78}… cannot be: expected `array`, got `str`"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(file: Path, text: str, says: str) -> None:
    file.write_text(text)
    assert sentence(file).startswith(says)


def test_a_key_without_a_default_must_be_given() -> None:
    assert sentence(kind=Needy) == "must is not set: give it a value"
    assert read(environment={"CITYPULSE_SAMPLE_MUST": "1"}, kind=Needy) == Needy("1")


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("SHARE", "2", "share = '2' cannot be: expected `float` <= 1.0"),
        ("NESTED_DISK_SYNC", "maybe", "nested.disk.sync = 'maybe' cannot be: expected `bool`, got `str`"),
        ("PROPERTIES", "[1]", "properties = [1] cannot be: expected `object`, got `array`"),
        ("PROPERTIES", "a=b", "CITYPULSE_SAMPLE_PROPERTIES = 'a=b' is not an object in JSON: "),
        ("ROUTES", "all", "CITYPULSE_SAMPLE_ROUTES = 'all' is not a list in JSON: "),
        ("ROUTES", '"\udcff"', "CITYPULSE_SAMPLE_ROUTES = '\"\\udcff\"' is not a list in JSON: "),
        ("ROUTES", '[{"to": "a", "x": 1}]', "routes[0].x is not a key of the sample's configuration"),
        *(
            (name, "1", f"CITYPULSE_SAMPLE_{name} names no key of the sample's configuration: unset it or")
            for name in ("NAM", "DISK", "DISK_DIRR", "DISK_", "", "ROUTES_TO", "name")
        ),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(variable: str, text: str, says: str) -> None:
    assert sentence(environment={PREFIX + variable: text}).startswith(says)


def test_a_value_where_the_file_needs_a_table_is_named_whatever_goes_over_it(file: Path) -> None:
    file.write_text("nested = 3")
    environment = {"CITYPULSE_SAMPLE_NESTED_DISK_DIR": "/d"}
    assert sentence(file, environment).startswith("nested = 3 cannot be")
    assert sentence(file, options={"nested.depth": 1}).startswith("nested = 3 cannot be")


def test_what_is_wrong_in_an_option_is_named() -> None:
    assert (
        sentence(options={"disk.max_bytes": "-1"}) == "disk.max_bytes = '-1' cannot be: expected `int` >= 1"
    )


def test_a_file_that_cannot_be_read_or_is_no_toml_is_named_with_its_option(tmp_path: Path) -> None:
    file = tmp_path / "sample.toml"
    assert sentence(file) == f"--config {file} cannot be read (No such file or directory)"
    assert sentence(tmp_path) == f"--config {tmp_path} cannot be read (Is a directory)"
    file.write_text("[[")
    assert sentence(file).startswith(f"--config {file} is not TOML: ")
    file.write_bytes(b"name = '\xff'")
    assert sentence(file).startswith(f"--config {file} is not TOML: ")


def test_two_keys_of_one_variable_are_a_mistake_of_the_struct() -> None:
    class Ambiguous(Section, frozen=True):
        disk_dir: str = ""
        disk: Disk = Disk()

    with pytest.raises(TypeError, match="two keys of Ambiguous"):
        read(kind=Ambiguous)
