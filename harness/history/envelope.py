"""The stored document: a result with who, when and where, under one schema version."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

from harness.errors import UsageError
from harness.history.fingerprint import epoch_in

__all__ = ["KINDS", "SCHEMA_VERSION", "DamagedError", "Envelope", "NewerError", "decode", "encode", "timestamp"]

SCHEMA_VERSION: Final = 1
KINDS: Final = ("run", "overhead", "suite")

_FIELDS = ("id", "kind", "created", "label", "fingerprint", "git", "document", "sha256")


class DamagedError(UsageError):
    """The bytes are not a completely written document."""


class NewerError(UsageError):
    """The document was written by a later version, with an unknown schema."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One stored result.

    `created` is UTC, ISO 8601 with microseconds and ``Z``, so that text order is time order. `kind` is one of
    `KINDS`; `fingerprint` and `git` are those of `harness.history.fingerprint`; `document` is the result itself, raw
    pairs included.
    """

    id: str
    kind: str
    created: str
    label: str
    fingerprint: Mapping[str, Any]
    git: Mapping[str, Any]
    document: Mapping[str, Any]

    @property
    def epoch(self) -> str:
        """The machine's identity: runs of one epoch are comparable in nanoseconds."""
        return epoch_in(self.fingerprint)


def timestamp(moment: datetime) -> str:
    """Return an aware moment as UTC text that sorts by time; raises `UsageError` for a moment that has none."""
    if moment.tzinfo is None:
        raise UsageError(f"{moment.isoformat()} has no time zone")
    try:
        there = moment.astimezone(UTC)
    except OverflowError as error:
        raise UsageError(f"{moment.isoformat()} is before the first year, or after the last") from error
    # Years of less than four digits would not sort by time.
    return f"{there.year:04}{there:-%m-%dT%H:%M:%S.%fZ}"


def _finite(value: Any) -> Any:
    """Replace numbers that JSON cannot represent by null; one odd figure must not lose the run."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _canonical(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def encode(envelope: Envelope) -> bytes:
    """Return the file's bytes: one line of JSON, with a digest of the document in it.

    Raises `UsageError` when the kind is unknown or the document has something that JSON cannot represent.
    """
    if envelope.kind not in KINDS:
        raise UsageError(f"a result of kind {envelope.kind!r} cannot be kept; kinds are {', '.join(KINDS)}")
    try:
        document = _finite(envelope.document)
        whole = {
            "schema_version": SCHEMA_VERSION,
            "id": envelope.id,
            "kind": envelope.kind,
            "created": envelope.created,
            "label": envelope.label,
            "fingerprint": _finite(envelope.fingerprint),
            "git": _finite(envelope.git),
            "sha256": hashlib.sha256(_canonical(document)).hexdigest(),
            "document": document,
        }
        # ASCII escapes keep surrogates, such as bad bytes in a label, a valid file.
        return json.dumps(whole, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the result cannot be written as JSON: {error}") from error


def decode(data: bytes) -> Envelope:
    """Return the envelope in a file's bytes; raises `NewerError` or `DamagedError` with one line of reason."""
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"not whole JSON ({len(data)} bytes: {_short(error)})") from error
    if not isinstance(whole, dict) or type(whole.get("schema_version")) is not int:
        raise DamagedError("not a kept result: it has no schema_version")
    if whole["schema_version"] > SCHEMA_VERSION:
        raise NewerError(f"written under schema version {whole['schema_version']}; this version reads {SCHEMA_VERSION}")
    missing = [name for name in _FIELDS if name not in whole]
    if missing or whole["schema_version"] < 1:
        raise DamagedError(f"not a kept result: it lacks {', '.join(missing) or 'a valid schema_version'}")
    return _checked(cast("dict[str, Any]", whole))


def _checked(whole: dict[str, Any]) -> Envelope:
    texts = ("id", "kind", "created", "label", "sha256")
    maps = ("fingerprint", "git", "document")
    if not all(isinstance(whole[name], str) for name in texts) or not all(
        isinstance(whole[name], dict) for name in maps
    ):
        raise DamagedError("not a kept result: a field has the wrong type")
    if not all(isinstance(whole["fingerprint"].get(part, {}), dict) for part in ("machine", "versions")):
        raise DamagedError("not a kept result: a part of its fingerprint has the wrong type")
    try:
        digest = hashlib.sha256(_canonical(whole["document"])).hexdigest()
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"the document cannot be read: {_short(error)}") from error
    if digest != whole["sha256"]:
        raise DamagedError("its content does not match its own digest")
    return Envelope(**{name: whole[name] for name in _FIELDS if name != "sha256"})


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__
