"""The slow parts, made once for all tests."""

import tomllib

import pytest

from portal import runtime
from portal.catalog import bundled
from portal.runtime import LoadedModel, VersionSpec, find_task


def load_bundled(name, folder):
    """Return the bundled model *name*, loaded as the portal loads it."""
    bundled._assemble(bundled.FOLDER / name, folder)  # noqa: SLF001 - the one way to its files
    manifest = tomllib.loads((folder / "model.toml").read_text())
    files = {role: folder / file for role, file in manifest["files"].items()}
    task = find_task(manifest["task"])
    spec = VersionSpec(
        digest=name,
        model_name=name,
        task=task.name,
        files=files,
        signatures={
            role: runtime.inspect(files[role], name=role).signature
            for role in task.onnx_roles
        },
    )
    return LoadedModel(spec)


@pytest.fixture(scope="session")
def file_type(tmp_path_factory):
    """Return the bundled `file-type`."""
    return load_bundled("file-type", tmp_path_factory.mktemp("file-type"))


@pytest.fixture(scope="session")
def ocr(tmp_path_factory):
    """Return the bundled `ocr`; a run takes a second or two."""
    return load_bundled("ocr", tmp_path_factory.mktemp("ocr"))


@pytest.fixture(scope="session")
def mrz(tmp_path_factory):
    """Return the bundled `mrz`; a run takes a second or two."""
    return load_bundled("mrz", tmp_path_factory.mktemp("mrz"))
