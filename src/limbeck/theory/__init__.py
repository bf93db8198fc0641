"""What a linear student learns from a linear teacher, in closed form: float64, NumPy alone."""

from limbeck.theory.angles import (
    AngleLaw,
    Margin,
    Observed,
    Polynomial,
    drawn,
    line_angles,
    risk,
    risk_bound,
)
from limbeck.theory.deep_linear import deep_descent, predicted_error
from limbeck.theory.linear_students import (
    angle,
    descent,
    displaced,
    excess_loss,
    nested_students,
    projected,
    soft_labels,
)

__all__ = [
    "AngleLaw",
    "Margin",
    "Observed",
    "Polynomial",
    "angle",
    "deep_descent",
    "descent",
    "displaced",
    "drawn",
    "excess_loss",
    "line_angles",
    "nested_students",
    "predicted_error",
    "projected",
    "risk",
    "risk_bound",
    "soft_labels",
]
