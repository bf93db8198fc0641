"""Transfer: a new student on the first layers of a trained one, and where to cut."""

from limbeck.transferring.cuts import Cut, Transferability, transferability
from limbeck.transferring.layers import layers_of
from limbeck.transferring.transplanting import transfer

__all__ = ["Cut", "Transferability", "layers_of", "transfer", "transferability"]
