"""The models that come with the portal, published once.

Their larger files come out of installed wheels, so the repository holds none.
"""

import tempfile
from importlib.resources import files
from pathlib import Path

import structlog
from sqlalchemy import select

from portal.catalog.publishing import publish
from portal.catalog.tables import Model, ModelVersion
from portal.config import ROOT, Config
from portal.db import db

FOLDER = ROOT / "bundled"
# Model → the package and the folder in it that hold its other files.
WHEELS = {
    "file-type": ("magika", "models/standard_v3_3"),
    "mrz": ("rapidocr", "models"),
    "ocr": ("rapidocr", "models"),
}
log = structlog.get_logger(__name__)


def publish_bundled(config: Config) -> list[ModelVersion]:
    """Publish each bundled model that this portal never had; return the new ones.

    A model that was withdrawn stays withdrawn. Commits after each.
    """
    known = set(db.session.scalars(select(Model.name)))
    published = []
    for folder in sorted(path for path in FOLDER.iterdir() if path.is_dir()):
        if folder.name in known:
            continue
        log.info("catalog.publishing", model=folder.name)
        with tempfile.TemporaryDirectory() as assembled:
            _assemble(folder, Path(assembled))
            version, _ = publish(Path(assembled), config=config)
        db.session.commit()
        published.append(version)
    return published


def _assemble(folder: Path, target: Path) -> None:
    """Link the files of *folder*, and those out of its wheel, into *target*."""
    for path in folder.iterdir():
        (target / path.name).symlink_to(path)
    if folder.name in WHEELS:
        package, subfolder = WHEELS[folder.name]
        source = Path(str(files(package))) / subfolder
        for path in source.iterdir():
            if path.suffix in {".onnx", ".json"}:
                (target / path.name).symlink_to(path)
