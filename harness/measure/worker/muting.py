"""Muting and counting of the recording calls of the known metrics libraries in a user's own function.

The code objects inside the library's functions are replaced, and not the attributes that refer to the functions. So it
does not matter how a module refers to them: as a bound method, in a partial, in a decorator, under another name.
Modules that are not imported yet are changed right after their execution, before their importers continue.
"""

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Not when running: these imports cost a measured process a fifth of its start.
    from importlib.machinery import ModuleSpec

__all__ = ["LIBRARIES", "Muted", "counting_calls", "mute", "without_export"]

LIBRARIES = ("prometheus-client", "opencensus", "opentelemetry-sdk")

# Bodies of muted functions; `{0}` and `{1}` stand for the first two parameters.
_NOTHING, _FIRST, _SECOND, _NO_TIME = "pass", "return {0}", "return {1}", "{0}.duration = 0.0"


@dataclass(frozen=True, slots=True)
class _Call:
    """A library function by module, class and name; `counted` where every record passes through it exactly once.

    An empty class (`owner`) means a function of the module; `instead` is the body of the muted function.
    """

    module: str
    owner: str
    method: str
    instead: str = _NOTHING
    counted: bool = False


def _calls(module: str, owner: str, *methods: str, instead: str = _NOTHING, counted: bool = False) -> list[_Call]:
    return [_Call(module, owner, method, instead, counted) for method in methods]


_METRICS, _CONTEXTS = "prometheus_client.metrics", "prometheus_client.context_managers"
_SDK, _API = "opentelemetry.sdk.metrics._internal.instrument", "opentelemetry.metrics._internal.instrument"
_OC_MAP, _OC_GAUGE = "opencensus.stats.measurement_map", "opencensus.metrics.export.gauge"
_OC_CUMULATIVE, _LEAN = "opencensus.metrics.export.cumulative", "opencensus_lean"

_CALLS = (
    *_calls(_METRICS, "MetricWrapperBase", "labels", instead=_FIRST),
    *_calls(_METRICS, "MetricWrapperBase", "remove", "remove_by_labels", "clear"),
    *_calls(_METRICS, "Counter", "inc", "reset", counted=True),
    *_calls(_METRICS, "Counter", "count_exceptions", instead=_FIRST),
    *_calls(_METRICS, "Gauge", "inc", "dec", "set", counted=True),
    *_calls(_METRICS, "Gauge", "set_to_current_time", "set_function"),
    *_calls(_METRICS, "Gauge", "time", "track_inprogress", instead=_FIRST),
    *_calls(_METRICS, "Summary", "observe", counted=True),
    *_calls(_METRICS, "Summary", "time", instead=_FIRST),
    *_calls(_METRICS, "Histogram", "observe", counted=True),
    *_calls(_METRICS, "Histogram", "time", instead=_FIRST),
    *_calls(_METRICS, "Info", "info", counted=True),
    *_calls(_METRICS, "Enum", "state", counted=True),
    *_calls(_CONTEXTS, "Timer", "__enter__", instead=_FIRST),
    *_calls(_CONTEXTS, "Timer", "__exit__", instead=_NO_TIME),
    *_calls(_CONTEXTS, "ExceptionCounter", "__enter__", "__exit__"),
    *_calls(_CONTEXTS, "InprogressTracker", "__enter__", "__exit__"),
    *(call for owner in ("Timer", "ExceptionCounter", "InprogressTracker")
      for call in _calls(_CONTEXTS, owner, "__call__", instead=_SECOND)),
    *_calls(_OC_MAP, "MeasurementMap", "measure_int_put", "measure_float_put", "measure_put_attachment", "record"),
    *_calls("opencensus.stats.measure_to_view_map", "MeasureToViewMap", "record", counted=True),
    *_calls("opencensus.stats.view_data", "ViewData", "record"),
    *_calls("opencensus.tags.tag_map", "TagMap", "insert", "update", "delete"),
    *_calls("opencensus.tags.tag_key", "TagKey", "__new__", instead=_SECOND),
    *_calls("opencensus.tags.tag_value", "TagValue", "__new__", instead=_SECOND),
    *_calls(_OC_GAUGE, "GaugePointLong", "add", "set", counted=True),
    *_calls(_OC_GAUGE, "GaugePointDouble", "add", "set", counted=True),
    *_calls(_OC_GAUGE, "Gauge", "get_or_create_time_series", "get_or_create_default_time_series", instead=_FIRST),
    *_calls(_OC_CUMULATIVE, "CumulativePointLong", "add"),
    *_calls(_OC_CUMULATIVE, "CumulativePointDouble", "add"),
    *_calls(f"{_LEAN}.measurements", "LeanMeasurementMap", "record"),
    # The library's own tag classes are muted above, and stay in place.
    *_calls(f"{_LEAN}.tags", "", "take_over", "give_back"),
    *_calls(f"{_LEAN}.store", "LeanStore", "record", counted=True),
    *_calls(_SDK, "Counter", "add", counted=True),
    *_calls(_SDK, "UpDownCounter", "add", counted=True),
    *_calls(_SDK, "Histogram", "record", counted=True),
    *_calls(_SDK, "Gauge", "set", counted=True),
    *_calls(_API, "_ProxyCounter", "add"),
    *_calls(_API, "_ProxyUpDownCounter", "add"),
    *_calls(_API, "_ProxyHistogram", "record"),
    *_calls(_API, "_ProxyGauge", "set"),
)  # fmt: skip
# A muted call that returned another object returns its own instead, which therefore needs the members of both.
_STANDING_IN: dict[tuple[str, str], dict[str, object]] = {
    (_METRICS, "MetricWrapperBase"): {
        "__enter__": lambda self: self,
        "__exit__": lambda _self, *_raised: None,
        "__call__": lambda _self, function: function,
        "duration": 0.0,
    },
    (_OC_GAUGE, "Gauge"): {"add": lambda _self, _value: None, "set": lambda _self, _value: None},
}
# Every measurement reaches the SDK's readers through this function, so a measurement that arrives here was not muted.
_ARRIVAL = _Call("opentelemetry.sdk.metrics._internal.measurement_consumer", "SynchronousMeasurementConsumer",
                 "consume_measurement")  # fmt: skip


def _stub(code: CodeType, instead: str) -> CodeType:
    """Return code with the parameters of `code` and the body `instead`; equal parameters make calls equally fast.

    Defaults belong to the function object and stay there.
    """
    names = list(code.co_varnames)
    plain, keyword = names[: code.co_argcount], names[code.co_argcount :][: code.co_kwonlyargcount]
    rest = names[code.co_argcount + code.co_kwonlyargcount :]
    parameters = [*plain[: code.co_posonlyargcount], "/"] if code.co_posonlyargcount else []
    parameters += plain[code.co_posonlyargcount :]
    star = f"*{rest.pop(0)}" if code.co_flags & _VARARGS else "*"
    if keyword or star != "*":
        parameters += [star, *keyword]
    if code.co_flags & _VARKEYWORDS:
        parameters.append(f"**{rest.pop(0)}")
    source = f"def {_MUTED}({', '.join(parameters)}): {instead.format(*plain, *['None'] * 2)}"
    module = compile(source, "<muted>", "exec")
    # The function's closure stays too, and needs equal free variables; the new code does not use them.
    stub = next(constant for constant in module.co_consts if isinstance(constant, CodeType))
    return stub.replace(co_freevars=code.co_freevars)


_MUTED = "muted"
_VARARGS, _VARKEYWORDS = 0x04, 0x08


def _forward(*args: Any, _first: Callable[..., Any], **kwargs: Any) -> Any:
    return _first(*args, **kwargs)


class _Changes:
    """Functions whose code was replaced, with the means to undo it."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []

    def exchange(self, call: _Call, code: Callable[[CodeType], CodeType], first: Any = None) -> bool:
        """Replace the code of the function of `call`; `first` turns a copy of the original into what the code calls.

        Return whether there is such a function.
        """
        module = sys.modules[call.module]
        owner = getattr(module, call.owner, None) if call.owner else module
        member = vars(owner).get(call.method) if isinstance(owner, type | ModuleType) else None
        function = getattr(member, "__func__", member)  # `__new__` is a static method
        if not isinstance(function, FunctionType):
            return False
        before, keywords = function.__code__, function.__kwdefaults__
        if before.co_name == _MUTED:
            return True
        if first is not None:
            copy = FunctionType(before, function.__globals__, call.method, function.__defaults__, function.__closure__)
            copy.__kwdefaults__ = keywords
            function.__kwdefaults__ = {**(keywords or {}), "_first": first(copy)}
        function.__code__ = code(before)
        self._undo.append(lambda: _restore(function, before, keywords))
        return True

    def undo(self) -> None:
        """Restore the code of all functions."""
        while self._undo:
            self._undo.pop()()


def _restore(function: FunctionType, code: CodeType, keywords: dict[str, Any] | None) -> None:
    function.__code__ = code
    function.__kwdefaults__ = keywords


class _Watcher:
    """An import hook that calls `change` with each named module after its execution; imported ones at `start`."""

    def __init__(self, names: Sequence[str], change: Callable[[str], None]) -> None:
        self._names, self._change = frozenset(names), change

    def start(self) -> None:
        """Change the modules already imported, and install the hook before all other finders."""
        for name in sorted(self._names & sys.modules.keys()):
            self._change(name)
        sys.meta_path.insert(0, self)

    def stop(self) -> None:
        """Remove the hook."""
        sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> "ModuleSpec | None":
        """Return the spec of the other finders, with a loader that calls `change` at the end."""
        if name not in self._names:
            return None
        finders = (finder for finder in sys.meta_path if finder is not self)
        specs = (finder.find_spec(name, path, target) for finder in finders)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def run_and_change(module: ModuleType) -> None:
            run(module)
            if self in sys.meta_path:  # a module may be reloaded after the hook was removed
                self._change(name)

        # Each module has a loader of its own.
        spec.loader.exec_module = run_and_change  # type: ignore[method-assign]
        return spec


class Muted:
    """Permanently muted recording in this process, for modules imported before and afterwards.

    `arrived` names the OpenTelemetry instruments whose measurements reached the SDK's readers nevertheless.
    """

    def __init__(self) -> None:
        self.arrived: list[str] = []
        self._watched = False
        self._changes = _Changes()
        _Watcher([*(call.module for call in _CALLS), _ARRIVAL.module], self._mute).start()

    def unverifiable(self) -> str:
        """Return why muting cannot be verified; empty where it can."""
        if _SDK in sys.modules and not self._watched:
            return "in this version of opentelemetry-sdk measurements cannot be seen to arrive"
        return ""

    def _mute(self, module: str) -> None:
        for call in _CALLS:
            if call.module == module:
                self._changes.exchange(call, lambda code, call=call: _stub(code, call.instead))  # type: ignore[misc]
        for (home, owner), members in _STANDING_IN.items():
            if home == module and (cls := getattr(sys.modules[home], owner, None)):
                for name, member in members.items():
                    setattr(cls, name, member)
        if module == _ARRIVAL.module:
            self._watched = self._changes.exchange(_ARRIVAL, _forwarding, self._noting)

    def _noting(self, consume: Callable[..., Any]) -> Callable[..., Any]:
        def note(consumer: Any, measurement: Any, *rest: Any) -> Any:
            self.arrived.append(str(measurement.instrument.name))
            return consume(consumer, measurement, *rest)

        return note


def mute() -> Muted:
    """Make the recording calls of the known libraries do nothing, permanently; call it before importing the target.

    Decorators and context managers of a library then add nothing to the user's code, `labels` returns the metric
    itself, and tags stay plain strings. Of a recording call only the call itself remains.
    """
    return Muted()


def _forwarding(code: CodeType) -> CodeType:
    return _forward.__code__.replace(co_freevars=code.co_freevars)


@contextmanager
def counting_calls() -> Iterator[Callable[[], int]]:
    """Count the records of known libraries inside the context; yield a function that returns the number so far.

    Afterwards every function of the libraries has its original code again.
    """
    records: list[None] = []
    changes = _Changes()

    def counting(original: Callable[..., Any]) -> Callable[..., Any]:
        def count(*args: Any, **kwargs: Any) -> Any:
            records.append(None)  # atomic across threads, unlike an addition
            return original(*args, **kwargs)

        return count

    def change(module: str) -> None:
        for call in _CALLS:
            if call.counted and call.module == module:
                changes.exchange(call, _forwarding, counting)

    watcher = _Watcher([call.module for call in _CALLS if call.counted], change)
    watcher.start()
    try:
        yield lambda: len(records)
    finally:
        watcher.stop()
        changes.undo()


@contextmanager
def without_export() -> Iterator[None]:
    """Keep OpenCensus from copying all series at each record, so that a thousand series are created quickly.

    Records inside the context are not lost; they are exported with the first record afterwards.
    """
    name = "opencensus.stats.measure_to_view_map"
    if name not in sys.modules:
        yield
        return
    owner = importlib.import_module(name).MeasureToViewMap
    original = owner.__dict__["export"]
    owner.export = lambda _self, _view_datas: None
    try:
        yield
    finally:
        owner.export = original
