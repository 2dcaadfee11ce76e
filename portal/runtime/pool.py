"""Which versions are in memory.

A version is loaded by its first call. While that goes on, and when it fails, the
model's other calls are answered by a version of it that is loaded already, if
there is one (`ModelPool.answering`). What is loaded stays until it is the least
recently used one over the memory budget; a version that another one has taken
the place of goes as soon as nobody has asked for it for a while. Memory is given
back with the last running call.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import structlog

from portal.errors import Unavailable
from portal.runtime.loaded_model import LoadedModel, lane_for, lane_key
from portal.runtime.memory import machine_bytes
from portal.runtime.providers import usable
from portal.runtime.scheduler import Lane, Scheduler
from portal.runtime.statistics import Statistics
from portal.runtime.version_spec import VersionSpec

log = structlog.get_logger(__name__)

BUDGET_SHARE = 0.5  # of the machine's memory, for all processes together
TRY_AGAIN_S = 30.0
REPLACED_IDLE_S = 60.0


@dataclass(frozen=True)
class _Failure:
    """A version that could not be loaded, and the state its files were in."""

    error: Unavailable
    at: float
    files: Hashable


class ModelPool:
    """Loads versions on demand, once each, within a budget of memory.

    Args:
        inference_threads: Threads of one run, as onnxruntime's intra-op threads.
        budget_bytes: What loaded versions may need together; the one that is
            asked for is loaded in any case. None: half of the machine.
        providers: What to compute on, in this order, by the names of
            `portal.runtime.providers`; what is missing is left out.
        scheduler: Shares the cores between the models.
        remote_tokens: ``host:port`` of another server → the token for it.

    Attributes:
        providers: What is computed on.
    """

    def __init__(
        self,
        *,
        inference_threads: int = 1,
        budget_bytes: int | None = None,
        providers: tuple[str, ...] = (),
        scheduler: Scheduler | None = None,
        remote_tokens: Mapping[str, str] | None = None,
    ) -> None:
        self.providers = usable(providers)
        self._threads = inference_threads
        self._budget = budget_bytes or int(machine_bytes() * BUDGET_SHARE)
        self._scheduler = scheduler or Scheduler()
        self._lock = threading.Lock()
        self._remote_tokens = remote_tokens or {}
        self._lanes: dict[Hashable, Lane] = {}
        # By digest; what is loaded again goes on counting.
        self._statistics: dict[str, Statistics] = {}
        self._loading: dict[str, threading.Lock] = {}
        self._failures: dict[str, _Failure] = {}
        # By digest, the least recently used first, with when that was.
        self._loaded: OrderedDict[str, LoadedModel] = OrderedDict()
        self._used_at: dict[str, float] = {}
        self._replaced: set[str] = set()

    def get(self, spec: VersionSpec) -> LoadedModel:
        """Return the loaded version, loading it if need be.

        Raises:
            Unavailable: Its files are missing or damaged, or were so a moment ago.
        """
        loaded = self._find(spec.digest)
        if loaded is not None:
            if loaded.spec.batching != spec.batching:
                loaded.follow(spec, self._lane(spec))
            return loaded
        with self._lock:
            loading = self._loading.setdefault(spec.digest, threading.Lock())
        with loading:
            loaded = self._find(spec.digest)
            return loaded or self._load(spec)

    def refuse_if_busy(self, spec: VersionSpec) -> None:
        """Refuse a call of a loaded version that would find no place now.

        Raises:
            Unavailable: Too many of its runs go on and wait already.
        """
        loaded = self._find(spec.digest)
        if loaded is not None:
            loaded.refuse_if_busy()

    def answering(self, spec: VersionSpec) -> LoadedModel:
        """Return what answers for *spec*: the version itself, loaded if need be.

        While another call loads it, and when it can't be loaded, that is a version
        of the same model that is in memory, if there is one.

        Raises:
            Unavailable: It can't be loaded, and no other is in memory.
        """
        stand_in = self._stand_in(spec)
        if stand_in is not None:
            return stand_in
        try:
            return self.get(spec)
        except Unavailable:
            stand_in = self._stand_in(spec)
            if stand_in is None:
                raise
            return stand_in

    def failure(self, spec: VersionSpec) -> Unavailable | None:
        """Return why *spec* can't answer, if it can't.

        It could not be loaded just now, or the server that it lives on is away.
        """
        with self._lock:
            failure = self._failure(spec)
            loaded = self._loaded.get(spec.digest)
        if failure:
            return failure.error
        return loaded.trouble if loaded else None

    def is_ready(self, spec: VersionSpec) -> bool:
        """Whether *spec* could be called now; asks the server that it lives on."""
        try:
            return self.get(spec).is_ready()
        except Unavailable:
            return False

    def is_loaded(self, digest: str) -> bool:
        """Whether the version with *digest* is in memory."""
        return digest in self._loaded

    def loaded(self) -> list[LoadedModel]:
        """Return what is in memory, the least recently used first."""
        with self._lock:
            return list(self._loaded.values())

    @property
    def is_full(self) -> bool:
        """Whether the next version would push another one out."""
        with self._lock:
            return self._total_bytes() >= self._budget

    def unload(self, digest: str) -> None:
        """Let the version with *digest* go, once its running calls are done."""
        with self._lock:
            self._drop(digest, why="unloaded")

    def _stand_in(self, spec: VersionSpec) -> LoadedModel | None:
        with self._lock:
            if spec.digest in self._loaded:
                return None
            loading = self._loading.get(spec.digest)
            is_being_loaded = loading is not None and loading.locked()
            if not is_being_loaded and self._failure(spec) is None:
                return None
            others = [
                loaded
                for loaded in self._loaded.values()
                if loaded.spec.model_name == spec.model_name
            ]
            return max(others, key=self._last_used, default=None)

    def _last_used(self, loaded: LoadedModel) -> float:
        return self._used_at[loaded.spec.digest]

    def _find(self, digest: str) -> LoadedModel | None:
        with self._lock:
            loaded = self._loaded.get(digest)
            if loaded is not None:
                self._loaded.move_to_end(digest)
                self._used_at[digest] = monotonic()
            if self._replaced:
                self._let_replaced_go()
            return loaded

    def _load(self, spec: VersionSpec) -> LoadedModel:
        with self._lock:
            failure = self._failure(spec)
        if failure is not None:
            raise failure.error
        try:
            loaded = LoadedModel(
                spec,
                inference_threads=self._threads,
                providers=self.providers,
                lane=self._lane(spec),
                remote_token=self._remote_token(spec),
                statistics=self._statistics.setdefault(spec.digest, Statistics()),
            )
        except Unavailable as error:
            with self._lock:
                self._failures[spec.digest] = _Failure(
                    error, monotonic(), _state_of_files(spec)
                )
            log.exception(
                "model.not_loaded", model=spec.model_name, digest=spec.digest[:12]
            )
            raise
        with self._lock:
            self._failures.pop(spec.digest, None)
            self._loaded[spec.digest] = loaded
            self._used_at[spec.digest] = monotonic()
            self._replaced.discard(spec.digest)
            self._replaced.update(
                digest
                for digest, other in self._loaded.items()
                if other is not loaded and other.spec.model_name == spec.model_name
            )
            self._make_room()
        log.info(
            "model.loaded",
            model=spec.model_name,
            digest=spec.digest[:12],
            ms=round(loaded.load_ms, 1),
            mib=round(loaded.memory_bytes / 2**20, 1),
        )
        return loaded

    def _lane(self, spec: VersionSpec) -> Lane:
        with self._lock:
            return self._lanes.setdefault(
                lane_key(spec), lane_for(spec, self._scheduler)
            )

    def _remote_token(self, spec: VersionSpec) -> str:
        return self._remote_tokens.get(spec.remote.authority, "") if spec.remote else ""

    def _failure(self, spec: VersionSpec) -> _Failure | None:
        """Return the failure that still holds; mended files end it at once."""
        failure = self._failures.get(spec.digest)
        if failure is None:
            return None
        is_recent = monotonic() - failure.at < TRY_AGAIN_S
        if is_recent and failure.files == _state_of_files(spec):
            return failure
        return None

    def _let_replaced_go(self) -> None:
        for digest in list(self._replaced):
            if monotonic() - self._used_at[digest] > REPLACED_IDLE_S:
                self._drop(digest, why="replaced")

    def _make_room(self) -> None:
        while len(self._loaded) > 1 and self._total_bytes() > self._budget:
            self._drop(next(iter(self._loaded)), why="over the memory budget")

    def _total_bytes(self) -> int:
        return sum(loaded.memory_bytes for loaded in self._loaded.values())

    def _drop(self, digest: str, *, why: str) -> None:
        loaded = self._loaded.pop(digest, None)
        self._used_at.pop(digest, None)
        self._replaced.discard(digest)
        if loaded is not None:
            log.info(
                "model.let_go",
                model=loaded.spec.model_name,
                digest=digest[:12],
                why=why,
            )


def _state_of_files(spec: VersionSpec) -> Hashable:
    """Return what changes when a file of *spec* is written anew."""
    return tuple(_state(path) for _, path in sorted(spec.files.items()))


def _state(path: Path) -> tuple[int, int]:
    try:
        state = path.stat()
    except OSError:
        return 0, 0
    return state.st_size, state.st_mtime_ns
