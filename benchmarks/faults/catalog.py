"""All faults: importing this module registers those of every family."""

from benchmarks.faults import disks, kills, limits, machine, prometheus, sharing, subjects, terminals
from benchmarks.faults.fault import FAULTS, SkippedError

__all__ = ["FAMILIES", "FAULTS", "SkippedError"]

FAMILIES = {
    "prometheus": prometheus,
    "subjects": subjects,
    "disks": disks,
    "limits": limits,
    "terminals": terminals,
    "kills": kills,
    "machine": machine,
    "sharing": sharing,
}
