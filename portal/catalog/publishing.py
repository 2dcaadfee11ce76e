"""Publishing: from a file or a folder to a version that answers.

Everything is checked before anything is stored: the files by onnxruntime in a
child process, the manifest by its task, and the whole by a real run: of the first
example, or of made-up values.
"""

import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from portal import audit, runtime
from portal.accounts import User
from portal.catalog import manifest as manifests
from portal.catalog import store
from portal.catalog.inspecting import OnGuess, inspect_files
from portal.catalog.manifest import Draft, ManifestInvalid
from portal.catalog.remote import Elsewhere, look_elsewhere
from portal.catalog.source import Overrides, Source, read_source
from portal.catalog.tables import Model, ModelVersion
from portal.config import Config
from portal.db import db, exclusive
from portal.extensions import store_dir
from portal.runtime import values
from portal.runtime.tasks import Settings


@dataclass(frozen=True)
class _Checked:
    """What becomes a version once its files are stored."""

    draft: Draft
    manifest: dict[str, Any]
    digest: str
    signatures: dict[str, runtime.Signature]


def publish(
    path: Path,
    *,
    config: Config,
    overrides: Overrides | None = None,
    owner: User | None = None,
    on_guess: OnGuess | None = None,
    allows_remote: bool = False,
) -> tuple[ModelVersion, bool]:
    """Publish an ``.onnx`` file or a folder with a `model.toml`.

    Args:
        path: Of the file or the folder.
        config: Says where model files are kept.
        overrides: What takes the place of what the manifest says.
        owner: Who sees the model when it is private.
        on_guess: Told of the guess if nothing names a task.
        allows_remote: Whether the model may live on another server: whoever names
            one has the portal call it, inside the owner's network.

    Returns:
        The version, which is live from the next commit on, and whether it is new.

    Raises:
        ManifestInvalid, FileRefused, RemoteRefused, TaskRefused: saying what to
            change; nothing is stored.
    """
    source = read_source(path, overrides or Overrides())
    elsewhere = look_elsewhere(source, config, is_allowed=allows_remote)
    source, signatures = inspect_files(source, on_guess, elsewhere)
    settings = Settings(signatures, source.labels, source.draft.settings)
    description = runtime.describe(source.task, settings)
    examples = [_read_example(source, e, description) for e in source.draft.examples]
    paths = {role: source.path(name) for role, name in source.draft.files.items()}
    kept = [example.kept for example in examples]
    manifest = _manifest(source, paths, kept, elsewhere)
    checked = _Checked(source.draft, manifest, manifests.digest(manifest), signatures)
    result = None
    if not _find(source.draft.name, checked.digest):
        spec = _spec(checked, paths, settings, elsewhere)
        if examples:
            result = _trial_run(spec, description, examples[0], elsewhere)
        else:
            _warm_up(spec, description, elsewhere)
        _store_files(source, paths, manifest, store_dir(config))
    return _make_live(checked, result=result, owner=owner)


@dataclass(frozen=True)
class _Example:
    """An example as the manifest keeps it, and its values as the task takes them."""

    kept: dict[str, Any]
    values: dict[str, Any]


def _read_example(
    source: Source, example: manifests.ExampleDraft, description: runtime.Description
) -> _Example:
    """Return the example; refuse one whose values don't fit the description."""
    names = [declared.name for declared in description.inputs]
    if set(example.inputs) != set(names):
        message = "The example %(title)s must give the inputs %(wanted)s."
        raise ManifestInvalid(message, title=example.title, wanted=", ".join(names))
    kept: dict[str, Any] = {}
    read: dict[str, Any] = {}
    for declared in description.inputs:
        value = example.inputs[declared.name]
        if declared.is_upload:
            path = source.path(str(value))
            read[declared.name] = values.input_from_bytes(declared, path.read_bytes())
            kept[declared.name] = _file_entry(path, read[declared.name])
        else:
            read[declared.name] = values.input_from_json(declared, value)
            kept[declared.name] = value
    return _Example({"title": example.title, "inputs": kept}, read)


def _file_entry(path: Path, value: Any) -> dict[str, Any]:  # noqa: ANN401 - pixels or bytes
    entry = store.entry(path, path.name)
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    entry["type"] = kind
    if not isinstance(value, bytes):
        entry["height"], entry["width"] = value.shape[:2]
    return entry


def _manifest(
    source: Source,
    paths: dict[str, Path],
    examples: list[dict[str, Any]],
    elsewhere: Elsewhere | None,
) -> dict[str, Any]:
    draft = source.draft
    manifest = {
        "name": draft.name,
        "title": draft.title or draft.name.replace("-", " ").capitalize(),
        "summary": draft.summary,
        "task": source.task,
        "licence": draft.licence,
        "card": source.card,
        "labels": list(source.labels),
        "files": {
            role: store.entry(path, draft.files[role]) for role, path in paths.items()
        },
        "examples": examples,
    }
    # Left out where there are none, so that older versions keep their digests.
    optional = {
        "remote": elsewhere.entry if elsewhere else {},
        "settings": draft.settings,
        "limits": draft.limits.model_dump(exclude_defaults=True),
        "batching": draft.batching.model_dump() if draft.batching else {},
    }
    return manifest | {key: table for key, table in optional.items() if table}


def _trial_run(
    spec: runtime.VersionSpec,
    description: runtime.Description,
    example: _Example,
    elsewhere: Elsewhere | None,
) -> dict[str, Any]:
    """Run an example for real; its result is what a reader sees first."""
    parameters = {one.name: one.default for one in description.parameters}
    name = f"The example {example.kept['title']}"
    if elsewhere:
        prediction = runtime.try_out_remotely(
            spec, example.values, parameters, name=name, token=elsewhere.token
        )
    else:
        prediction = runtime.try_out(spec, example.values, parameters, name=name)
    return {
        "outputs": dict(prediction.outputs),
        "timings_ms": dict(prediction.timings_ms),
    }


def _warm_up(
    spec: runtime.VersionSpec,
    description: runtime.Description,
    elsewhere: Elsewhere | None,
) -> None:
    """Run the version on made-up values, which it may refuse."""
    name = spec.model_name
    if elsewhere:
        runtime.warm_up_remotely(spec, description, name=name, token=elsewhere.token)
    else:
        runtime.warm_up(spec, description, name=name)


def _spec(
    checked: _Checked,
    paths: dict[str, Path],
    settings: Settings,
    elsewhere: Elsewhere | None,
) -> runtime.VersionSpec:
    return runtime.VersionSpec(
        digest=checked.digest,
        model_name=checked.draft.name,
        task=checked.manifest["task"],
        files={role: path.resolve() for role, path in paths.items()},
        signatures=settings.signatures,
        labels=settings.labels,
        options=settings.options,
        timeout_s=checked.draft.limits.timeout_s,
        is_isolated=checked.draft.limits.isolated,
        memory_mb=checked.draft.limits.memory_mb,
        remote=elsewhere.model if elsewhere else None,
    )


def _store_files(
    source: Source, paths: dict[str, Path], manifest: dict[str, Any], folder: Path
) -> None:
    for role, path in paths.items():
        store.add(folder, path, manifest["files"][role]["sha256"])
    for kept, draft in zip(manifest["examples"], source.draft.examples, strict=True):
        for name, value in kept["inputs"].items():
            if isinstance(value, dict):
                store.add(folder, source.path(str(draft.inputs[name])), value["sha256"])


def _find(name: str, digest: str) -> ModelVersion | None:
    return db.session.scalar(
        select(ModelVersion)
        .join(ModelVersion.model)
        .where(Model.name == name, ModelVersion.digest == digest)
    )


def _make_live(
    checked: _Checked, *, result: dict[str, Any] | None, owner: User | None
) -> tuple[ModelVersion, bool]:
    """Add the version, if it is new, and let it answer."""
    draft = checked.draft
    actor_id = owner.id if owner else None
    exclusive(f"model:{draft.name}")
    model = db.session.scalar(select(Model).where(Model.name == draft.name))
    if model is None:
        model = Model(name=draft.name, owner_id=actor_id)
        db.session.add(model)
        db.session.flush()
    version = _find(draft.name, checked.digest)
    is_new = version is None
    if version is None:
        version = ModelVersion(
            model=model,
            number=max((v.number for v in model.versions), default=0) + 1,
            digest=checked.digest,
            manifest=checked.manifest,
            signatures={role: s.to_json() for role, s in checked.signatures.items()},
            example_result=result,
        )
        db.session.add(version)
    model.visibility = draft.visibility
    model.make_live(version.number)
    model.withdrawn_at = None
    db.session.flush()
    audit.record(
        "model.published",
        subject=f"model:{model.name}",
        actor_id=actor_id,
        version=version.number,
        digest=checked.digest,
    )
    return version, is_new
