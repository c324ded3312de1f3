"""Names of the columns; the command line reads them, so that this module imports nothing else."""

from typing import Literal, get_args

__all__ = ["COLUMNS", "ColumnName"]

ColumnName = Literal["memory", "cpu", "import", "page"]
COLUMNS: tuple[ColumnName, ...] = get_args(ColumnName)
