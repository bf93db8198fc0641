"""Transfer: a new student on the first layers of a trained one, and where to cut."""

from limbeck.transferring.layers import layers_of
from limbeck.transferring.transfer import transfer
from limbeck.transferring.transferability import Cut, Transferability, transferability

__all__ = ["Cut", "Transferability", "layers_of", "transfer", "transferability"]
