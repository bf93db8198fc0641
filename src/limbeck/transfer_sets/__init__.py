"""The examples: arrays, tables, image folders, hub images, and augmentation to be replayed."""

from limbeck.transfer_sets.arrays import Arrays, arrays
from limbeck.transfer_sets.digits import digits
from limbeck.transfer_sets.splitting import split
from limbeck.transfer_sets.transfer_set import Splits, TransferSet

__all__ = ["Arrays", "Splits", "TransferSet", "arrays", "digits", "split"]
