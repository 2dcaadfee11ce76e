"""What docs/architecture.md and the glossary name is there."""

import importlib
import re
import tomllib
from types import ModuleType

import pytest

import portal
from portal.config import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text()
GLOSSARY = (ROOT / "docs/glossary.md").read_text()
FENCE = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPANS = sorted(set(re.findall(r"`([^`\n]+)`", FENCE.sub("", PAGE))))
SUFFIXES = ("py", "md", "html", "toml", "yaml", "example", "css", "js", "txt")
FILE = re.compile(rf"[\w.-]*\w\.({'|'.join(SUFFIXES)})|Makefile|Dockerfile")
FOLDER = re.compile(r"[\w.-]+/[\w./-]*")
NAME = re.compile(r"[a-z_]+(\.\w+)+")
ADDRESS = re.compile(r"/[\w/-]*")

PATHS = [s for s in SPANS if FILE.fullmatch(s) or FOLDER.fullmatch(s)]
ADDRESSES = [s for s in SPANS if ADDRESS.fullmatch(s)]
NAMES = [s for s in SPANS if NAME.fullmatch(s) and s not in PATHS]


def found(name: str) -> object:
    """Return what *name*, such as ``keys.find``, means in the portal.

    Raises:
        AttributeError, ModuleNotFoundError: There is no such thing.
    """
    thing: object = portal
    for part in name.removeprefix("portal.").split("."):
        if isinstance(thing, ModuleType) and not hasattr(thing, part):
            thing = importlib.import_module(f"{thing.__name__}.{part}")
        else:
            thing = getattr(thing, part)
    return thing


def test_the_page_names_many_things():
    """Else the tests below would pass without reading any."""
    assert len(PATHS) > 40
    assert len(NAMES) > 40
    assert len(ADDRESSES) > 5


@pytest.mark.parametrize("path", PATHS)
def test_a_path_on_the_page_is_there(path):
    if "/" in path or (ROOT / path).exists():
        assert (ROOT / path).exists()
    elif path.startswith("_"):
        assert list(ROOT.glob(f"templates/*/{path}"))
    else:
        # A file that every slice may have.
        assert len(list(ROOT.glob(f"portal/*/{path}"))) > 2


@pytest.mark.parametrize("name", NAMES)
def test_a_name_on_the_page_is_there(name):
    assert found(name) is not None


@pytest.mark.parametrize("name", ["keys.conjure", "web.body.BodyReader.x", "attic.x"])
def test_a_name_that_is_not_there_is_noticed(name):
    with pytest.raises((AttributeError, ModuleNotFoundError)):
        found(name)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_on_the_page_is_there(app, address):
    rules = [rule.rule for rule in app.url_map.iter_rules()]

    assert any(f"{rule}/".startswith(f"{address.rstrip('/')}/") for rule in rules)


def test_the_diagram_is_the_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    (layers,) = [
        contract["layers"]
        for contract in contracts["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    # A room that is not built yet stands in parentheses.
    there = [re.sub(r"( \| )?\(\w+\)", "", layer) for layer in layers]

    diagram = FENCE.findall(PAGE)[0].splitlines()

    assert diagram == [layer for layer in there if layer]


def test_every_room_has_a_row():
    rooms = {path.stem for path in (ROOT / "portal").glob("[a-z]*.py")}
    rooms |= {path.parent.name for path in (ROOT / "portal").glob("*/__init__.py")}

    rows = PAGE.partition("## The rooms")[2].partition("\n### ")[0]

    named = {
        re.sub(r"\.py$|/$", "", room) for room in re.findall(r"`portal/(.*?)`", rows)
    }
    assert named == rooms


def test_the_code_knows_the_words_of_the_glossary():
    code = "\n".join(path.read_text() for path in ROOT.glob("portal/**/*.py"))
    rows = [
        line.split("|") for line in GLOSSARY.splitlines() if line.startswith("| **")
    ]
    words = {
        word
        for row in rows
        for span in re.findall(r"`([^`]+)`", row[3])
        for word in re.findall(r"[A-Za-z_]{3,}", span)
    }

    assert len(words) > 30
    assert [word for word in sorted(words) if not re.search(rf"\b{word}\b", code)] == []
