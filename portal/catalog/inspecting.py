"""Looking at the files of what is published: their graphs, and the task if unsaid."""

from collections.abc import Callable
from dataclasses import replace

from portal import runtime
from portal.catalog.manifest import ManifestInvalid
from portal.catalog.remote import Elsewhere
from portal.catalog.source import Source

MODEL = runtime.MODEL_ROLE
OnGuess = Callable[[runtime.Guess], None]


def inspect_files(
    source: Source,
    on_guess: OnGuess | None = None,
    elsewhere: Elsewhere | None = None,
) -> tuple[Source, dict[str, runtime.Signature]]:
    """Return *source* with its task, and the signature of each ONNX file by role.

    What the exporter noted (labels, the size of pictures) stands in for what the
    manifest leaves out.

    Args:
        source: As it was read.
        on_guess: Called with the guess if the manifest names no task.
        elsewhere: The model on another server, if it lives on one.

    Raises:
        ManifestInvalid: The task needs other files.
        FileRefused: naming the file that can't be served.
    """
    inspected: dict[str, runtime.Inspection] = {}
    if elsewhere:
        inspected[MODEL] = runtime.Inspection(elsewhere.metadata.signature)
    if source.draft.task is None:
        if MODEL in source.draft.files:
            inspected[MODEL] = _inspect(source, MODEL)
        source = _with_guess(source, inspected.get(MODEL), on_guess)
    task = runtime.find_task(source.task)
    there = {MODEL} if elsewhere else set()
    _check_roles(source, {*task.onnx_roles, *task.other_roles} - there)
    for role in task.onnx_roles:
        if role not in inspected:
            inspected[role] = _inspect(source, role)
    if MODEL in inspected:
        source = _with_notes(source, inspected[MODEL])
    return source, {role: found.signature for role, found in inspected.items()}


def _inspect(source: Source, role: str) -> runtime.Inspection:
    name = source.draft.files[role]
    return runtime.inspect(source.path(name), name=name)


def _with_guess(
    source: Source, inspection: runtime.Inspection | None, on_guess: OnGuess | None
) -> Source:
    guess = runtime.Guess(runtime.TENSOR, "it has no file with the role model")
    if inspection:
        notes = runtime.read_notes(inspection.metadata)
        guess = runtime.guess_task(
            inspection,
            labels=source.labels or notes.labels,
            options=source.draft.settings,
            roles=source.draft.files,
        )
    if on_guess:
        on_guess(guess)
    update = {
        "task": guess.task,
        "settings": {**guess.settings, **source.draft.settings},
    }
    return replace(source, draft=source.draft.model_copy(update=update))


def _with_notes(source: Source, inspection: runtime.Inspection) -> Source:
    """Return *source* with what the exporter noted and the manifest leaves out."""
    if source.task not in runtime.LABELLED:
        return source
    notes = runtime.read_notes(inspection.metadata)
    settings = {**runtime.noted_settings(inspection), **source.draft.settings}
    return replace(
        source,
        labels=source.labels or notes.labels,
        draft=source.draft.model_copy(update={"settings": settings}),
    )


def _check_roles(source: Source, wanted: set[str]) -> None:
    if set(source.draft.files) != wanted:
        message = (
            "The task %(task)s needs the files %(wanted)s; [files] names %(came)s."
        )
        raise ManifestInvalid(
            message,
            task=source.task,
            wanted=", ".join(sorted(wanted)) or "none",
            came=", ".join(sorted(source.draft.files)) or "none",
        )
