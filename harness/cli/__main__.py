"""Lets ``python -m harness.cli`` stand for the console command."""

from harness.cli import main

main()
