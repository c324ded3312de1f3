"""The measured process: what runs in it imports the standard library and the measured library, and little else."""

__all__ = ["main"]


def main() -> None:
    """Answer the commands on standard input; see `harness.measure.worker.blocks`.

    The name is the one under which a measured process is started, in this version of the package and in the earlier
    ones that `harness compare git:REV` checks out.
    """
    from harness.measure.worker.blocks import main as answer

    answer()
