from limbeck.budgeting.budget import Budget
from limbeck.budgeting.candidates import family
from limbeck.budgeting.choosing import fit
from limbeck.budgeting.result import Fit

__all__ = ["Budget", "Fit", "family", "fit"]
