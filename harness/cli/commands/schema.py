"""``harness schema``: the contracts of what goes in and what comes out."""

import json

import click

from harness.cli.command import command, exit_codes

__all__ = ["schema"]


@command(
    "harness schema",
    "harness schema overhead > overhead.schema.json",
    exits=exit_codes("printed"),
)
@click.argument(
    "which", required=False, type=click.Choice(["spec", "result", "overhead"]), help="Schema to print. [default: all]"
)
def schema(which: str | None) -> None:
    """Print the JSON Schema of specs and results, or of one of them.

    A `spec` goes into `harness run`, a `result` comes out of it, and an `overhead` document out of `harness overhead`.
    """
    from harness.measure.questions.answer import Answer
    from harness.run.result import RunResult
    from harness.run.spec import RunSpec

    schemas = {
        "spec": RunSpec.model_json_schema(),
        "result": RunResult.model_json_schema(mode="serialization"),
        "overhead": Answer.model_json_schema(mode="serialization"),
    }
    print(json.dumps(schemas[which] if which else schemas, indent=2))
