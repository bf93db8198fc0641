"""Recipes: a whole experiment as YAML of at most a page."""

from limbeck.recipe.recipe import Recipe

__all__ = ["Recipe"]
