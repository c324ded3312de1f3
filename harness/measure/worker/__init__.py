"""The measured process: modules that import the standard library, the measured library, and little else."""

__all__ = ["main"]


def main() -> None:
    """Answer the commands on standard input; see `harness.measure.worker.blocks`.

    A measured process is started by this name, in this version of the package and in the earlier versions that
    `harness compare git:REV` checks out.
    """
    from harness.measure.worker.blocks import main as answer

    answer()
