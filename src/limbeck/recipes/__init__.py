"""The recipes that come with limbeck, as YAML files beside this one."""

from limbeck.recipes.shipped import shipped, summary

__all__ = ["shipped", "summary"]
