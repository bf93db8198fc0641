"""The examples: arrays, tables, texts, images in folders or on the hub, and views of them."""

from limbeck.transfer_sets.arrays import Arrays, arrays
from limbeck.transfer_sets.digits import digits
from limbeck.transfer_sets.glyphs import glyphs
from limbeck.transfer_sets.hub_images import hub_images
from limbeck.transfer_sets.hugging_face import hugging_face
from limbeck.transfer_sets.image_folder import image_folder
from limbeck.transfer_sets.independent import marginals
from limbeck.transfer_sets.munging import munge
from limbeck.transfer_sets.splitting import split
from limbeck.transfer_sets.table import table
from limbeck.transfer_sets.texts import Texts
from limbeck.transfer_sets.tokenization import Tokenization
from limbeck.transfer_sets.transfer_set import Splits, TransferSet
from limbeck.transfer_sets.views import Flip, Shift, Transform, Views
from limbeck.transfer_sets.with_classes import with_classes

__all__ = [
    "Arrays",
    "Flip",
    "Shift",
    "Splits",
    "Texts",
    "Tokenization",
    "TransferSet",
    "Transform",
    "Views",
    "arrays",
    "digits",
    "glyphs",
    "hub_images",
    "hugging_face",
    "image_folder",
    "marginals",
    "munge",
    "split",
    "table",
    "with_classes",
]
