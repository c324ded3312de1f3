"""Probes: small experiments that test the installed versions for known defects of OpenCensus and its exporter."""
