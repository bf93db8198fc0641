"""The 1797 handwritten digits that come with scikit-learn: 8 x 8 pixels, ten classes.

E. Alpaydin & C. Kaynak, "Optical recognition of handwritten digits", UCI Machine Learning
Repository, 1998, https://doi.org/10.24432/C50P49 (its test part).
"""

from limbeck.transfer_sets.arrays import Arrays
from limbeck.transfer_sets.splitting import Size, splits_from
from limbeck.transfer_sets.transfer_set import Splits

__all__ = ["digits"]


def digits(
    *,
    labelled: int | None = None,
    validation: Size = 0.1,
    test: Size = 1 / 3,
    seed: int = 0,
) -> Splits:
    """Images (b, 1, 8, 8) in [0, 1] of the classes "0" to "9", divided class by class.

    Args:
        labelled: How many training labels to keep, evenly over the classes; the other examples
            become unlabelled. None keeps all.
        validation: Fraction (below 1) or count of the examples left after the test part; 0 for
            none.
        test: Fraction (below 1) or count of all examples.
        seed: Chooses the parts and the labels that are kept.

    Raises:
        DataError: if the parts take all examples, or more labels are kept than there are.
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    whole = Arrays(
        images.reshape(-1, 1, 8, 8),
        labels,
        classes=[str(digit) for digit in range(10)],
        name="digits",
        scale=16.0,
    )
    return splits_from(
        {"train": whole},
        "digits",
        validation=validation,
        test=test,
        labelled=labelled,
        seed=seed,
    )
