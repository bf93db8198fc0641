from limbeck.reporting.html import report

__all__ = ["report"]
