"""What is costly and comes out the same every time, done once per run.

The first time is always the real thing. What is refused is not kept, so a test
of a refusal gets its own.
"""

import copy
import hashlib
import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.routing import Rule

from portal import runtime
from portal.accounts import passwords

_hashes: dict[str, str] = {}


def do_once(patch: pytest.MonkeyPatch) -> None:
    """Let the portals of this process share templates, routes and looks at models.

    Publishing starts a child process per file and one for a run. Tests of those
    children import `inspect`, `try_out` and `warm_up` by name, which is not patched.
    """
    patch.setattr(Flask, "jinja_options", {"bytecode_cache": CompiledTemplates()})
    builder = Rule._compile_builder  # noqa: SLF001 - most of what a portal costs
    patch.setattr(Rule, "_compile_builder", _compiling_once(builder))
    patch.setattr(runtime, "inspect", _inspecting_once(runtime.inspect))
    patch.setattr(runtime, "try_out", _trying_once(runtime.try_out))
    patch.setattr(runtime, "warm_up", _warming_up_once(runtime.warm_up))


def hash_of(password: str) -> str:
    """Return a hash of *password*, which costs as much as a login's."""
    if password not in _hashes:
        _hashes[password] = passwords.hash_password(password)
    return _hashes[password]


class CompiledTemplates(BytecodeCache):
    """What Jinja compiled for one portal, kept for the others.

    Jinja compares the source, so a template that changed is compiled anew.
    """

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Hand over what is kept of this template."""
        if bucket.key in self._code:
            bucket.bytecode_from_string(self._code[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep this template."""
        self._code[bucket.key] = bucket.bytecode_to_string()


def _compiling_once(compile_builder: Callable[..., Any]) -> Callable[..., Any]:
    """Keep the function that Werkzeug compiles from the words of each route."""
    known: dict[tuple[object, ...], Any] = {}

    def compile_once(rule: Rule, append_unknown: bool = True) -> Any:  # noqa: FBT001, FBT002 - as it is called
        key = (rule.rule, tuple(rule._trace), append_unknown)  # noqa: SLF001 - all that goes in
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        if key not in known:
            known[key] = compile_builder(rule, append_unknown)
        return known[key]

    return compile_once


def _inspecting_once(
    inspect: Callable[..., runtime.Inspection],
) -> Callable[..., runtime.Inspection]:
    known: dict[str, runtime.Inspection] = {}

    def inspect_once(path: Path, *, name: str) -> runtime.Inspection:
        digest = _digest(path)
        if digest not in known:
            known[digest] = inspect(path, name=name)
        return known[digest]

    return inspect_once


def _trying_once(
    try_out: Callable[..., runtime.Prediction],
) -> Callable[..., runtime.Prediction]:
    known: dict[str, runtime.Prediction] = {}

    def try_out_once(
        spec: runtime.VersionSpec,
        inputs: Mapping[str, Any],
        parameters: Mapping[str, Any],
        *,
        name: str,
    ) -> runtime.Prediction:
        digests = {role: _digest(path) for role, path in spec.files.items()}
        order = (replace(spec, files=digests), dict(inputs), dict(parameters))
        key = hashlib.sha256(pickle.dumps(order)).hexdigest()
        if key not in known:
            known[key] = try_out(spec, inputs, parameters, name=name)
        return copy.deepcopy(known[key])

    return try_out_once


def _warming_up_once(warm_up: Callable[..., None]) -> Callable[..., None]:
    known: set[str] = set()

    def warm_up_once(
        spec: runtime.VersionSpec, description: runtime.Description, *, name: str
    ) -> None:
        # Whatever a version is called, it runs the same.
        key = hashlib.sha256(pickle.dumps((_nameless(spec), description))).hexdigest()
        if key not in known:
            warm_up(spec, description, name=name)
            known.add(key)

    return warm_up_once


def _nameless(spec: runtime.VersionSpec) -> runtime.VersionSpec:
    digests: Any = {role: _digest(path) for role, path in spec.files.items()}
    return replace(spec, files=digests, digest="", model_name="")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
