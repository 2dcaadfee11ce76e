"""`flask models`: publish, list, show, measure, promote, withdraw and the like."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from portal import catalog, runtime
from portal.catalog import reporting
from portal.catalog.tables import Model, ModelVersion, Visibility
from portal.db import db
from portal.errors import PortalError
from portal.extensions import config
from portal.web.commands import CommandGroup, refusals_end_with_1

group = CommandGroup("models", help="Publish models and see what is published.")


@group.command()
@click.argument(
    "path", type=click.Path(path_type=Path, exists=True), metavar="FILE_OR_DIR"
)
@click.option("--name", help="Its name in addresses; default: from the file's name.")
@click.option("--task", help="What kind of problem it solves; default: a guess.")
@click.option("--title", help="Its name as people read it.")
@click.option(
    "--labels",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file with one label per line.",
)
@click.option("--visibility", type=click.Choice([v.value for v in Visibility]))
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a manifest key.",
)
@click.option(
    "--no-measure",
    is_flag=True,
    help="Don't run it to see what it takes of this machine.",
)
@refusals_end_with_1
def publish(
    path: Path,
    assignments: tuple[str, ...],
    *,
    no_measure: bool,
    **options: Any,  # noqa: ANN401 - click's
) -> None:
    """Publish an .onnx file, or a folder with a model.toml."""
    overrides = catalog.Overrides(assignments=assignments, **options)
    version, is_new = catalog.publish(
        path,
        config=config(),
        overrides=overrides,
        on_guess=_tell,
        allows_remote=True,
    )
    db.session.commit()
    what = "is live" if is_new else "was published before and is live"
    click.echo(f"{version.model.name} version {version.number} {what}.")
    click.echo(f"{config().base_url}/models/{version.model.name}")
    if not no_measure and version.kept_measurement is None:
        _measure_published(version)


@group.command("publish-bundled")
@refusals_end_with_1
def publish_bundled() -> None:
    """Publish the bundled models that this portal never had."""
    for version in catalog.publish_bundled(config()):
        click.echo(f"{version.model.name} version {version.number} is live.")


@group.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_models(*, as_json: bool) -> None:
    """List every model."""
    models = catalog.list_all()
    if as_json:
        click.echo(json.dumps([_document(model) for model in models], indent=2))
        return
    for model in models:
        live = "-" if model.is_withdrawn else model.live_number
        click.echo(
            f"{model.name:24} {_state(model):10} live {live!s:4} "
            f"{len(model.versions)} version(s)  {_title(model)}"
        )


@group.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals_end_with_1
def show(name: str, *, as_json: bool) -> None:
    """Show a model and its versions."""
    model = catalog.find_any(name)
    if as_json:
        click.echo(json.dumps(_document(model), indent=2))
        return
    click.echo(f"{model.name}: {_title(model)} ({_state(model)})")
    tallies = catalog.lately(model.versions)
    for version in model.versions:
        click.echo(
            f"  {version.number:4}  {version.created_at:%Y-%m-%d %H:%M}  "
            f"{version.digest[:12]}  {version.task}  {_marks(version)}".rstrip()
        )
        if version.remote:
            click.echo(f"        lives on {version.remote}")
        if version.measurement:
            click.echo("\n".join(reporting.lines(version.measurement, indent=8)))
        if version.id in tallies:
            click.echo(reporting.lately_line(tallies[version.id], indent=8))


@group.command()
@click.argument("name")
@click.argument("number", type=int, metavar="VERSION")
@refusals_end_with_1
def promote(name: str, number: int) -> None:
    """Make VERSION of a model the one that answers."""
    before = catalog.promote(catalog.find_any(name), number)
    db.session.commit()
    if before == number:
        click.echo(f"{name} version {number} is live already.")
    else:
        click.echo(f"{name} went from version {before} to version {number}.")


@group.command()
@click.argument("name")
@refusals_end_with_1
def rollback(name: str) -> None:
    """Make the version live again that was live before."""
    model = catalog.find_any(name)
    before = catalog.roll_back(model)
    db.session.commit()
    click.echo(
        f"{name} went back from version {before} to version {model.live_number}."
    )


@group.command()
@click.argument("name")
@refusals_end_with_1
def withdraw(name: str) -> None:
    """Take a model off, until it is restored or published again."""
    catalog.withdraw(catalog.find_any(name))
    db.session.commit()
    click.echo(f"{name} is withdrawn.")


@group.command()
@click.argument("name")
@refusals_end_with_1
def restore(name: str) -> None:
    """Let a withdrawn model answer again."""
    model = catalog.find_any(name)
    catalog.restore(model)
    db.session.commit()
    click.echo(f"{name} version {model.live_number} is live.")


@group.command()
@click.argument("name")
@click.argument("number", type=int, metavar="[VERSION]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals_end_with_1
def measure(name: str, number: int | None, *, as_json: bool) -> None:
    """See what VERSION, or the live one, takes of this machine; a few seconds."""
    version = catalog.find_version(catalog.find_any(name), number)
    measured = catalog.measure(version, config())
    db.session.commit()
    if as_json:
        click.echo(json.dumps(_measured(version), indent=2))
        return
    click.echo("\n".join(reporting.lines(measured)))


def _measure_published(version: ModelVersion) -> None:
    """Measure a version that is live already, whatever comes of it."""
    try:
        measured = catalog.measure(version, config())
    except PortalError as refusal:
        db.session.rollback()
        click.echo(f"Not measured: {refusal}", err=True)
        return
    db.session.commit()
    click.echo("\n".join(reporting.lines(measured)), err=True)


def _tell(guess: runtime.Guess) -> None:
    # Beside the answer proper, which a script may read.
    click.echo(
        f"Taken for {guess.task}, since {guess.reason}. Say --task to override.",
        err=True,
    )


def _state(model: Model) -> str:
    return "withdrawn" if model.is_withdrawn else model.visibility


def _marks(version: ModelVersion) -> str:
    marks = {
        "isolated": version.is_isolated,
        "live": version.is_live,
        "previous": version.is_previous,
    }
    return ", ".join(mark for mark, holds in marks.items() if holds)


def _title(model: Model) -> str:
    return model.live.title


def _document(model: Model) -> dict[str, Any]:
    tallies = catalog.lately(model.versions)
    return {
        "name": model.name,
        "state": _state(model),
        "live_version": model.live_number,
        "previous_version": model.previous_number,
        "versions": [
            _version_document(version, tallies.get(version.id))
            for version in model.versions
        ],
    }


def _version_document(
    version: ModelVersion, tally: runtime.Tally | None
) -> dict[str, Any]:
    return {
        "number": version.number,
        "digest": version.digest,
        "created_at": version.created_at.isoformat(),
        "manifest": version.manifest,
        "signatures": version.signatures,
        "measured": _measured(version),
        "last_hour": _lately(tally) if tally else None,
    }


def _lately(tally: runtime.Tally) -> dict[str, Any]:
    durations = {step: asdict(one) for step, one in tally.durations.items()}
    return {"calls": tally.calls, "joined": tally.joined, "durations": durations}


def _measured(version: ModelVersion) -> dict[str, Any] | None:
    kept, measured = version.kept_measurement, version.measurement
    if kept is None or measured is None:
        return None
    return {
        "measured_at": kept.measured_at.isoformat(),
        "safe_per_s": round(measured.safe_per_s, 1),
        **kept.figures,
    }
