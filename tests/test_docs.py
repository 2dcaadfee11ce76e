"""The docs say what is there, and nothing else."""

import re
import subprocess
import tomllib
from contextlib import suppress
from pathlib import Path

import click
import pytest
from PIL import Image
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.routing import RequestRedirect

from portal import runtime
from portal.catalog import manifest
from portal.config import ROOT, Config
from tests.conftest import make_config
from tests.plans.figures import DEFAULT_PLAN

README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
ENV_EXAMPLE = (ROOT / ".env.example").read_text()
TOP = ("README", "CONTRIBUTING", "CHANGELOG", "SECURITY")
PAGES = [ROOT / f"{name}.md" for name in TOP] + sorted(ROOT.glob("docs/**/*.md"))
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
API = ("/api/", "/v1/")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLE = re.compile(r"^#([A-Z_]+)=(.*)$", re.MULTILINE)
PORTAL_NAME = re.compile(r"\bPORTAL_[A-Z][A-Z_]*[A-Z]\b")
# Named to say that they are no settings.
INJECTED = {"PORTAL_SERVICE", "PORTAL_PORT", "PORTAL_NAME"}
PICTURE_LIMIT_BYTES = 150_000


def env_name(field: str) -> str:
    return field.upper() if field in {"host", "port"} else f"PORTAL_{field.upper()}"


SETTINGS = {env_name(field): field for field in Config.model_fields}


def blocks(language: str) -> list[str]:
    return [text for found, text in FENCE.findall(README) if found == language]


def row_of(name: str) -> str:
    """Return the table row of the README that begins with *name*."""
    rows = [line for line in README.splitlines() if line.startswith(f"| `{name}` |")]
    assert len(rows) == 1, f"the README has {len(rows)} rows for {name}"
    return rows[0]


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives *heading*."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def plain(rule: str) -> str:
    """Return *rule* without converters: <int:number> is <number>."""
    return re.sub(r"<[^>]*?(\w+)>", r"<\1>", rule)


def our_commands(app) -> dict[str, click.Command]:
    """Return the commands of our own by name, such as ``models publish``."""
    found = {}
    for name, command in app.cli.commands.items():
        inner = getattr(command, "commands", {"": command})
        for sub, one in inner.items():
            if one.callback.__module__.startswith("portal."):
                found[f"{name} {sub}".strip()] = one
    return found


def test_the_readme_begins_with_the_two_commands():
    first = FENCE.findall(README)[0][1]

    commands = [line.split("#")[0].strip() for line in first.splitlines()]
    assert commands == ["make run", "make test"]
    assert README.index("make test") < 200


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_stands_in_the_readme_with_its_default(name):
    default = Config.model_fields[SETTINGS[name]].default

    row = row_of(name)

    if default not in {"", (), 0} or name == "PORTAL_TRUSTED_PROXIES":
        assert f"| `{default}` |" in row


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_stands_in_the_example_with_its_default(name, tmp_path):
    values = dict(EXAMPLE.findall(ENV_EXAMPLE))

    assert name in values
    loaded = make_config(tmp_path, **{name: values[name]})

    # An empty value counts as not set.
    assert loaded == make_config(tmp_path, **{name: ""})


def test_the_example_has_no_other_settings():
    assert {name for name, _ in EXAMPLE.findall(ENV_EXAMPLE)} == set(SETTINGS)


@pytest.mark.parametrize("page", [*PAGES, ROOT / ".env.example"], ids=str)
def test_no_page_names_a_setting_that_is_not_there(page):
    named = set(PORTAL_NAME.findall(page.read_text()))

    unknown = {name.removesuffix("_FILE") for name in named} - set(SETTINGS) - INJECTED

    assert not unknown


def test_every_route_of_the_api_stands_in_the_readme(app):
    rules = [r for r in app.url_map.iter_rules() if r.rule.startswith(API)]

    assert rules
    for rule in rules:
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            assert f"| `{method} {plain(rule.rule)}` |" in README


def test_every_other_route_is_under_an_address_of_the_readme(app):
    rows = README.partition("### Pages")[2].partition("\n## ")[0]
    addresses = re.findall(r"`(/[^`]*)`", rows)
    first_words = {address.split("/")[1] for address in addresses}

    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith(API):
            assert rule.rule.split("/")[1] in first_words, rule.rule


def test_every_address_in_the_readme_leads_somewhere(app):
    addresses = app.url_map.bind("127.0.0.1")
    named = re.findall(r"(?:`(?:GET |POST )?|127\.0\.0\.1:8000)(/[\w./<>-]+)", README)
    named = [path for path in named if not path.startswith(("/data", "/run/"))]

    assert len(named) > 15
    for path in named:
        filled = path.replace("<number>", "1").replace("<", "").replace(">", "")
        with suppress(MethodNotAllowed, RequestRedirect):
            # Raises NotFound for an address that is not there.
            addresses.match(filled.replace("/static/", "/static/x"))


def test_every_make_target_is_documented():
    shown = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    targets = re.findall(r"^(make \w+)", shown, re.MULTILINE)

    assert "make run" in targets
    for target in targets:
        assert re.search(rf"{target}\b", README + CONTRIBUTING), target


def test_every_command_stands_in_the_readme_with_its_options(app):
    commands = our_commands(app)

    assert {"models publish", "worker"} <= set(commands)
    (shown,) = [text for text in blocks("") if "flask models list" in text]
    for name, command in commands.items():
        entry = re.search(
            rf"^flask {name}(?![\w-]).*?(?=^flask |\Z)", shown, re.MULTILINE | re.DOTALL
        )
        assert entry, f"flask {name} is not in the README"
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.opts[0] in entry[0], f"flask {name} {parameter.opts}"


def test_no_command_in_the_docs_is_made_up(app):
    known = set(our_commands(app)) | {"db upgrade", "db migrate"}
    groups = {name.split()[0] for name in known}

    for page in PAGES:
        for words in re.findall(r"(?m)\bflask ([a-z]+(?: [a-z-]+)?)", page.read_text()):
            if words.split()[0] in groups and words not in groups:
                assert words in known or words.split()[0] in known, (page.name, words)


def test_every_task_stands_in_the_readme_with_its_files():
    for name in runtime.task_names():
        task = runtime.find_task(name)
        row = row_of(name)
        for role in (*task.onnx_roles, *task.other_roles):
            assert f"`{role}`" in row.split("|")[4]


def test_the_manifest_in_the_readme_can_be_published():
    (text,) = blocks("toml")

    document = tomllib.loads(text)

    manifest.check(document)
    # Instead of a file; it has a page of its own.
    assert set(document) == set(manifest.Draft.model_fields) - {"remote"}


def test_the_manifest_of_a_remote_version_can_be_published():
    page = (ROOT / "docs/remote.md").read_text()
    (text,) = [text for language, text in FENCE.findall(page) if language == "toml"]

    document = tomllib.loads(text)

    draft = manifest.check(document)
    assert set(document["remote"]) == set(manifest.Remote.model_fields)
    for key in ("concurrent", "connect_timeout_s", "max_answer_mb"):
        assert document["remote"][key] == manifest.Remote.model_fields[key].default
    assert draft.remote


def test_the_limits_in_the_readme_are_those_of_the_plan():
    limits = README.partition("### Limits")[2].partition("###")[0]

    for amount in (
        f"`{DEFAULT_PLAN.rate}`",
        f"| {DEFAULT_PLAN.monthly_predictions:,} |",
        f"per user | {DEFAULT_PLAN.concurrency} |",
        f"| {DEFAULT_PLAN.monthly_compute_s:,} seconds |",
        f"| {DEFAULT_PLAN.max_keys}; 10 minutes to {DEFAULT_PLAN.max_key_days} days |",
    ):
        assert amount in limits


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_the_links_between_the_pages_resolve(page):
    for target in LINK.findall(page.read_text()):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, fragment = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if fragment:
            headings = map(anchor, HEADING.findall(linked.read_text()))
            assert fragment in headings, target


def test_the_changelog_has_a_section_for_what_is_not_released():
    changelog = (ROOT / "CHANGELOG.md").read_text()

    (first, *_) = re.findall(r"^## (.+)$", changelog, re.MULTILINE)
    assert first == "Unreleased"


@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/img/*")), ids=lambda p: p.name)
def test_a_picture_is_a_small_png(path: Path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
    assert path.stat().st_size <= PICTURE_LIMIT_BYTES
