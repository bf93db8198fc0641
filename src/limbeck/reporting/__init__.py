from limbeck.reporting.html import report, report_fit, report_trained

__all__ = ["report", "report_fit", "report_trained"]
