"""What is published: a manifest and the files around it, read and checked."""

from dataclasses import dataclass
from pathlib import Path, PurePath

from portal.catalog import manifest as manifests
from portal.catalog.manifest import Draft, ManifestInvalid

MAX_LABEL_LINES = 100_000


@dataclass(frozen=True)
class Overrides:
    """What the command line says, over what the manifest says."""

    name: str | None = None
    task: str | None = None
    title: str | None = None
    labels: Path | None = None
    visibility: str | None = None
    assignments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A manifest and the files around it."""

    draft: Draft
    folder: Path
    labels: tuple[str, ...]
    card: str

    @property
    def task(self) -> str:
        """The name of its task: `tensor` until another is said or guessed."""
        return self.draft.task or "tensor"

    def path(self, name: str) -> Path:
        """Return a file of the folder, and never one outside it."""
        return path_in(self.folder, name)


def read_source(path: Path, overrides: Overrides) -> Source:
    """Return what lies at *path*: an ``.onnx`` file, or a folder with a manifest.

    Raises:
        ManifestInvalid: naming the first thing that can't be used.
    """
    if path.is_dir():
        document, folder = manifests.read(path), path
    elif path.is_file():
        document = {
            "name": manifests.default_name(path),
            "files": {"model": path.name},
        }
        folder = path.parent
    else:
        message = "There is no file or folder %(path)s."
        raise ManifestInvalid(message, path=str(path))
    for key in ("name", "task", "title", "visibility"):
        value = getattr(overrides, key)
        if value is not None:
            document[key] = value
    for assignment in overrides.assignments:
        manifests.set_key(document, assignment)
    draft = manifests.check(document)
    labels_path = overrides.labels
    if labels_path is None and draft.labels:
        labels_path = path_in(folder, draft.labels)
    return Source(
        draft=draft,
        folder=folder,
        labels=_read_labels(labels_path) if labels_path else (),
        card=_read_text(path_in(folder, draft.card)) if draft.card else "",
    )


def path_in(folder: Path, name: str) -> Path:
    """Return a file of *folder*, and never one outside it."""
    if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
        message = "%(name)s lies outside the folder."
        raise ManifestInvalid(message, name=name)
    path = folder / name
    if not path.is_file():
        message = "The file %(name)s is missing."
        raise ManifestInvalid(message, name=name)
    return path


def _read_text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        message = "The file %(name)s can't be read as text in UTF-8."
        raise ManifestInvalid(message, name=path.name) from None


def _read_labels(path: Path) -> tuple[str, ...]:
    lines = [line.strip() for line in _read_text(path).splitlines()]
    labels = tuple(line for line in lines if line)
    if not labels or len(labels) > MAX_LABEL_LINES:
        message = "%(name)s must hold one label per line."
        raise ManifestInvalid(message, name=path.name)
    return labels
