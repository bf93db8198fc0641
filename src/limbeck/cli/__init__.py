"""The command line: one file per verb, thin over the Python function."""

from limbeck.cli.main import main

__all__ = ["main"]
