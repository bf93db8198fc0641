"""Folders that can be pushed to the Hugging Face hub: the student, and the knowledge."""

from limbeck.hub.folder import HubFolder, hub_folder
from limbeck.hub.sources import Source, source_of

__all__ = ["HubFolder", "Source", "hub_folder", "source_of"]
