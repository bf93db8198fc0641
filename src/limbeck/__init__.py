"""limbeck: knowledge distillation with a verdict."""

__version__ = "0.1.0"
