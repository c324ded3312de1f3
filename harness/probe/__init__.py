"""Known defects of OpenCensus and its exporter, as small experiments against the installed versions."""
