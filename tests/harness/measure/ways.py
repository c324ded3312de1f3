"""Ways to record, each as the source of a small module: what it sets up, what each line does, and what it shows."""

from dataclasses import dataclass

__all__ = ["NOT_MUTED", "NOT_RECORDING", "WAYS", "Way"]

_PROMETHEUS = (
    "from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, REGISTRY, Summary\n"
)
_OTEL = """
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
READER = InMemoryMetricReader()
METER = MeterProvider(metric_readers=[READER], shutdown_on_exit=False).get_meter("shop")
def shown():
    data = READER.get_metrics_data()
    return data and [
        (getattr(point, "count", 0), getattr(point, "value", 0))
        for resource in data.resource_metrics for scope in resource.scope_metrics
        for metric in scope.metrics for point in metric.data.data_points
    ]
"""
_CENSUS = """
from opencensus.stats import aggregation, measure, stats, view
from opencensus.tags.tag_key import TagKey
from opencensus.tags.tag_map import TagMap
from opencensus.tags.tag_value import TagValue
SIZE, KEY = measure.MeasureInt("size", "a size", "By"), TagKey("what")
STATS = stats.stats
def shown():
    data = STATS.view_manager.get_view("sizes").tag_value_aggregation_data_map
    return sorted((str(key), value.count_data) for key, value in data.items())
"""
_VIEW = """
STATS.view_manager.register_view(view.View("sizes", "sizes", [KEY], SIZE, aggregation.DistributionAggregation([5])))
"""
_MAP = """
tags = TagMap()
tags.insert(KEY, TagValue("tea"))
sizes = STATS.stats_recorder.new_measurement_map()
sizes.measure_int_put(SIZE, 3)
sizes.record(tags)
"""
_COUNT = "def shown():\n    return REGISTRY.get_sample_value('seen_count', {'what': 'tea'})\n"
_TOTAL = "def shown():\n    return REGISTRY.get_sample_value('sold_total')\n"
_SEEN = "def shown():\n    return REGISTRY.get_sample_value('seen_count')\n"
_HELD = "def shown():\n    return REGISTRY.get_sample_value('held')\n"


@dataclass(frozen=True)
class Way:
    """A way to record: `calls` is how many records of a library a line makes."""

    name: str
    setup: str
    line: str
    calls: int = 1

    def source(self) -> str:
        """Return a module whose function `handle` writes beside it what is shown at first and after each line."""
        body = "\n".join(f"    {line}" for line in self.line.strip().splitlines())
        return (
            f"import os, pathlib\n{self.setup}\nBEFORE = shown()\nLINES = 0\n"
            f"def handle(line):\n    global LINES\n    LINES += 1\n{body}\n"
            "    path = pathlib.Path(__file__).with_name(f'shown.{os.getpid()}')\n"
            "    path.write_text(repr((BEFORE, shown(), LINES)))\n"
        )


def _prometheus(name: str, setup: str, line: str, calls: int = 1) -> Way:
    return Way(name, _PROMETHEUS + setup, line, calls)


def _otel(name: str, setup: str, line: str, calls: int = 1) -> Way:
    return Way(name, _OTEL + setup, line, calls)


_SOLD = "C = Counter('sold', 'Sold.')\n" + _TOTAL
_TIMED = "H = Histogram('seen', 'Seen.')\n" + _SEEN
_GAUGE = "G = Gauge('held', 'Held.')\n" + _HELD

WAYS = (
    _prometheus("a counter", _SOLD, "C.inc()"),
    _prometheus("a counter with an exemplar", _SOLD, "C.inc(2, exemplar={'trace': 'a'})"),
    _prometheus("a kept bound method of a counter", _SOLD + "add = C.inc\n", "add(2)"),
    _prometheus("an unbound method", _SOLD + "add = Counter.inc\n", "add(C, 2)"),
    _prometheus("a partial", _SOLD + "import functools\nadd = functools.partial(C.inc, amount=2)\n", "add()"),
    _prometheus("several calls, one of them not kept", _SOLD + "a = b = c = C.inc\n", "C.inc()\na()\nb()\nc()", 4),
    _prometheus(
        "labels at each line",
        "H = Histogram('seen', 'Seen.', ['what'])\n" + _COUNT,
        "H.labels('tea').observe(len(line))",
    ),
    _prometheus(
        "a kept child's bound method",
        "H = Histogram('seen', 'Seen.', ['what'])\n" + _COUNT + "observe = H.labels(what='tea').observe\n",
        "observe(len(line))",
    ),
    _prometheus("a gauge", _GAUGE, "G.set(LINES)\nG.inc(2)\nG.dec()", 3),
    _prometheus("a gauge set to the time", _GAUGE + "now = G.set_to_current_time\n", "now()"),
    _prometheus("a summary", "S = Summary('seen', 'Seen.')\n" + _SEEN, "S.observe(1)"),
    _prometheus("a timing context", _TIMED, "with H.time() as timer:\n    line.upper()\nassert timer.duration >= 0"),
    _prometheus("a timing context, kept", _TIMED + "TIMER = H.time()\n", "with TIMER:\n    line.upper()"),
    _prometheus("a timing decorator", _TIMED + "@H.time()\ndef work(line):\n    return line.upper()\n", "work(line)"),
    _prometheus(
        "a timing context that gets its labels later",
        "H = Histogram('seen', 'Seen.', ['what'])\n" + _COUNT,
        "with H.time() as timer:\n    timer.labels('tea')",
    ),
    _prometheus("a gauge's timing context", _GAUGE, "with G.time():\n    line.upper()"),
    _prometheus(
        "exceptions counted in a context",
        _SOLD,
        "try:\n    with C.count_exceptions():\n        raise ValueError\nexcept ValueError:\n    pass",
    ),
    _prometheus(
        "exceptions counted by a decorator",
        _SOLD + "@C.count_exceptions()\ndef fail():\n    raise ValueError\n",
        "try:\n    fail()\nexcept ValueError:\n    pass",
    ),
    _prometheus(
        "what is in progress, by a decorator",
        "G = Gauge('held', 'Held.')\nMOST = 0\ndef shown():\n    return MOST\n@G.track_inprogress()\ndef work():\n"
        "    global MOST\n    MOST = max(MOST, REGISTRY.get_sample_value('held'))\n",
        "work()",
        2,
    ),
    _prometheus(
        "information",
        "I = Info('build', 'Build.')\ndef shown():\n    return [s.labels for m in I.collect() for s in m.samples]\n",
        "I.info({'line': str(LINES)})",
    ),
    _prometheus(
        "a state",
        "E = Enum('state', 'State.', states=['new', 'sold'])\ntell = E.state\n"
        "def shown():\n    return [s.value for m in E.collect() for s in m.samples]\n",
        "tell('sold')",
    ),
    _prometheus(
        "a registry of its own",
        "OWN = CollectorRegistry()\nC = Counter('sold', 'Sold.', registry=OWN)\n"
        "def shown():\n    return OWN.get_sample_value('sold_total')\n",
        "C.inc()",
    ),
    _prometheus(
        "a metric in no registry",
        "C = Counter('sold', 'Sold.', registry=None)\n"
        "def shown():\n    return [s.value for m in C.collect() for s in m.samples if s.name == 'sold_total']\n",
        "C.inc()",
    ),
    _prometheus(
        "a thread",
        _SOLD + "from concurrent.futures import ThreadPoolExecutor\nPOOL = ThreadPoolExecutor(1)\n",
        "POOL.submit(C.inc).result()",
    ),
    Way(
        "a library imported by the first line",
        "SEEN = {}\ndef shown():\n    return SEEN['registry'].get_sample_value('sold_total') if SEEN else None\n",
        "if not SEEN:\n    from prometheus_client import Counter, REGISTRY\n"
        "    SEEN.update(registry=REGISTRY, sold=Counter('sold', 'Sold.'))\nSEEN['sold'].inc()",
    ),
    _otel("an OpenTelemetry counter", "C = METER.create_counter('sold')\n", "C.add(1, {'what': 'tea'})"),
    _otel("its kept bound method", "add = METER.create_counter('sold').add\n", "add(1)"),
    _otel("an OpenTelemetry histogram", "H = METER.create_histogram('seen')\n", "H.record(2.5)"),
    _otel("an OpenTelemetry counter that goes both ways", "U = METER.create_up_down_counter('held')\n", "U.add(1)"),
    _otel("an OpenTelemetry gauge", "G = METER.create_gauge('held')\n", "G.set(LINES)"),
    _otel(
        "an instrument from before the provider",
        "add = metrics.get_meter('early').create_counter('sold').add\n"
        "metrics.set_meter_provider(MeterProvider(metric_readers=[READER2 := InMemoryMetricReader()]))\n"
        "READER = READER2\n",
        "add(1)",
    ),
    Way("an OpenCensus measurement map", _CENSUS + _VIEW, _MAP),
    Way(
        "OpenCensus under its Prometheus exporter",
        _CENSUS + "from opencensus.ext.prometheus import stats_exporter\n"
        "stats_exporter.PrometheusStatsExporter.serve_http = lambda self: None\n"
        "STATS.view_manager.register_exporter(stats_exporter.new_stats_exporter(stats_exporter.Options('shop')))\n"
        + _VIEW,
        _MAP,
    ),
    Way(
        "OpenCensus recorded below the measurement map",
        _CENSUS + _VIEW + "record = STATS.view_manager.measure_to_view_map.record\n",
        "record(TagMap(), {SIZE: 3}, None)",
    ),
    Way(
        "an OpenCensus gauge",
        "from opencensus.metrics.export import gauge\nG = gauge.LongGauge('held', 'held', '1', [])\n"
        "def shown():\n    return [point.get_value() for point in G.points.values()]\n",
        "G.get_or_create_default_time_series().set(LINES)\nG.get_or_create_default_time_series().add(1)",
        2,
    ),
    Way(
        "an OpenCensus cumulative point, kept",
        "from opencensus.metrics.export import cumulative\nG = cumulative.LongCumulative('sold', 'sold', '1', [])\n"
        "add = G.get_or_create_default_time_series().add\n"
        "def shown():\n    return [point.get_value() for point in G.points.values()]\n",
        "add(1)",
    ),
    Way(
        "OpenCensus the lean way",
        _CENSUS
        + "from harness.instruments import lean\nLEAN = lean.install('shop', port=None)\n"
        + _VIEW
        + "def shown():\n    return [s.value for f in LEAN.registry.collect() for s in f.samples]\n",
        _MAP,
    ),
)

# What gets around every recording call, and how its refusal goes on.
NOT_MUTED = (
    (_prometheus("a value written below the metric", _SOLD, "C.inc()\nC._value.inc(1)"), "sold_total moved from "),
    (
        _prometheus(
            "a collector of its own",
            "from prometheus_client.core import CounterMetricFamily\nTOTAL = [0]\nclass Sold:\n    def collect(self):\n"
            "        yield CounterMetricFamily('sold', 'Sold.', value=TOTAL[0])\nREGISTRY.register(Sold())\n"
            "C = Counter('other', 'Other.')\ndef shown():\n    return TOTAL[0]\n",
            "C.inc()\nTOTAL[0] += 1",
        ),
        "sold_total moved from ",
    ),
    (
        _prometheus(
            "a class that overrides how it counts",
            "class Kept(Counter):\n    def inc(self, amount=1):\n        self._value._value += amount\n"
            "K, C = Kept('kept', 'Kept.'), Counter('other', 'Other.')\ndef shown():\n    return K._value.get()\n",
            "C.inc()\nK.inc()",
        ),
        "kept_total moved from ",
    ),
    (
        _otel(
            "an OpenTelemetry counter of the user's own variable",
            "TOTAL = [0]\ndef told(_options):\n    return [metrics.Observation(TOTAL[0])]\n"
            "METER.create_observable_counter('bought', [told])\nC = METER.create_counter('sold')\n",
            "C.add(1)\nTOTAL[0] += 1",
        ),
        "bought moved from ",
    ),
    (
        _otel(
            "a measurement handed to the SDK directly",
            "import time\nfrom opentelemetry.context import get_current\n"
            "from opentelemetry.sdk.metrics._internal.measurement import Measurement\n"
            "C = METER.create_counter('sold')\nconsume = C._measurement_consumer.consume_measurement\n",
            "C.add(1)\nconsume(Measurement(1, time.time_ns(), C, get_current(), {}))",
        ),
        "sold received a measurement",
    ),
    (
        Way(
            "OpenCensus data changed directly",
            _CENSUS
            + _VIEW
            + "DATA = STATS.view_manager.measure_to_view_map._measure_to_view_data_list_map['size'][0]\n"
            "ROWS = DATA.tag_value_aggregation_data_map\n",
            _MAP + "ROWS.setdefault((), DATA.view.new_aggregation_data()).add_sample(1, None, None)",
        ),
        "sizes moved from ",
    ),
    (
        Way(
            "an OpenCensus count of the user's own variable",
            "from opencensus.metrics.export import cumulative, gauge\nTOTAL = [0]\ndef total():\n    return TOTAL[0]\n"
            "KEEP = cumulative.DerivedLongCumulative('bought', 'bought', '1', [])\n"
            "KEEP.create_default_time_series(total)\nG = gauge.LongGauge('held', 'held', '1', [])\nshown = total\n",
            "G.get_or_create_default_time_series().add(1)\nTOTAL[0] += 1",
        ),
        "bought moved from ",
    ),
)

# What moves, or is read at each scrape, without a record: the function is measured.
NOT_RECORDING = (
    _prometheus(
        "a gauge of a function",
        _SOLD + "G = Gauge('lines', 'Lines.', ['a'])\nG.labels('x').set_function(lambda: LINES)\n",
        "C.inc()",
    ),
    _prometheus(
        "a collector of the user's gauges",
        _SOLD + "from prometheus_client.core import GaugeMetricFamily\nclass Lines:\n    def collect(self):\n"
        "        yield GaugeMetricFamily('lines', 'Lines.', value=LINES)\n",
        "if LINES == 1:\n    REGISTRY.register(Lines())\nC.inc()",
    ),
    _prometheus(
        "metrics that are built late",
        _SOLD + "LATE = []\n",
        "if LINES == 3:\n    LATE.extend([Counter('late', 'Late.'), Info('later', 'Later.'), "
        "Enum('latest', 'Latest.', states=['a'])])\nC.inc()",
    ),
    _otel(
        "an observable gauge",
        "def told(_options):\n    return [metrics.Observation(LINES)]\nMETER.create_observable_gauge('lines', [told])\n"
        "C = METER.create_counter('sold')\n",
        "C.add(1)",
    ),
)
