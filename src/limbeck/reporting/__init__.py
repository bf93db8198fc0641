from limbeck.reporting.html import report, report_trained

__all__ = ["report", "report_trained"]
