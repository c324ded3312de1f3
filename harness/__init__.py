"""Know what it costs to record a metric: honest load, full accounting, paired measurements."""

__version__ = "0.1.0"
