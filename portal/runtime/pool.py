"""Which versions are in memory.

A version is loaded by its first call; when another version of the same model
is loaded the older one is let go, and its memory with its last running call.
"""

import threading

import structlog

from portal.runtime.loaded_model import LoadedModel, VersionSpec

log = structlog.get_logger(__name__)


class ModelPool:
    """Loads versions on demand, once each, and keeps one per model."""

    def __init__(self, *, inference_threads: int = 1) -> None:
        self._threads = inference_threads
        self._lock = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}
        self._loaded: dict[str, LoadedModel] = {}

    def get(self, spec: VersionSpec) -> LoadedModel:
        """Return the loaded version, loading it if need be.

        Raises:
            Unavailable: Its files are missing or damaged.
        """
        loaded = self._loaded.get(spec.model_name)
        if loaded and loaded.spec.digest == spec.digest:
            return loaded
        with self._lock:
            loading = self._loading.setdefault(spec.model_name, threading.Lock())
        with loading:
            loaded = self._loaded.get(spec.model_name)
            if loaded and loaded.spec.digest == spec.digest:
                return loaded
            loaded = LoadedModel(spec, inference_threads=self._threads)
            self._loaded[spec.model_name] = loaded
            log.info("model.loaded", model=spec.model_name, digest=spec.digest[:12])
            return loaded

    def is_loaded(self, digest: str) -> bool:
        """Whether the version with *digest* is in memory."""
        return any(m.spec.digest == digest for m in list(self._loaded.values()))
