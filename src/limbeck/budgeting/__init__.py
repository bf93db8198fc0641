from limbeck.budgeting.budget import Budget

__all__ = ["Budget"]
