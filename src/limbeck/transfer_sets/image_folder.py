"""Folders of image files: root/split/class/file, or root/class/file."""

from collections.abc import Sequence
from pathlib import Path

from limbeck.errors import DataError, nearest
from limbeck.transfer_sets.class_names import number_labels
from limbeck.transfer_sets.encoded_images import Decoding, EncodedImages, FilesOnDisk, as_size
from limbeck.transfer_sets.identified import Identified
from limbeck.transfer_sets.splitting import Size, splits_from
from limbeck.transfer_sets.transfer_set import Splits

__all__ = ["SPLIT_NAMES", "image_folder"]

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
NO_CLASS = "unlabelled"


def image_folder(
    path: str | Path,
    *,
    classes: Sequence[str] | None = None,
    size: int | tuple[int, int] | None = None,
    greyscale: bool | None = None,
    validation: Size = 0.1,
    test: Size = 0.2,
    labelled: int | None = None,
    memory: float = 4.0,
    seed: int = 0,
) -> Splits:
    """Read images that lie in one folder per class; they are decoded when first asked for.

    The ids are the paths below the folder. Images in a folder `unlabelled`, beside the classes,
    have no label. Files that are no images by their suffix are passed over.

    Args:
        path: The folder, with folders train, validation (or val, valid, dev) and test in it, or
            else with the classes in it.
        classes: Class names, in the order of the label numbers; None sorts the folders' names.
        size: (height, width) in pixels, or one number, to bring all images to; None if they have
            one size.
        greyscale: True for one channel, False for three, None for what the first image has.
        validation: Fraction (below 1) or count of the labelled training images to keep apart,
            class by class; 0 for none. A validation folder goes before it.
        test: The same for the test part, where there is no test folder.
        labelled: How many training labels to keep, evenly over the classes. None keeps all.
        memory: The most that decoded pixels may take per split, in GB, >= 0; larger splits are
            decoded anew for each batch.
        seed: Chooses the parts and the labels that are kept.

    Raises:
        DataError: if the folder is missing or has no images or other classes, or, when a batch is
            read, if an image is damaged or does not fit the first.
    """
    path = Path(path)
    listed = {split: list_images(folder) for split, folder in split_folders(path).items()}
    for split, images in listed.items():
        if not images:
            raise DataError(
                f"no images for the split '{split}' in {path}. Put them into one folder per class, "
                f"as {', '.join(sorted(SUFFIXES))}."
            )
    check_classes({name for images in listed.values() for name, _ in images}, classes, path)
    names, labels = number_labels(
        {
            split: [None if name == NO_CLASS else name for name, _ in images]
            for split, images in listed.items()
        },
        classes,
        str(path),
    )
    decoding: Decoding | None = None
    sets: dict[str, Identified] = {}
    for split, images in listed.items():
        files = FilesOnDisk([file for _, file in images])
        if decoding is None:
            decoding = Decoding.like(files, as_size(size), greyscale)
        sets[split] = EncodedImages(
            files,
            decoding,
            labels[split],
            classes=names,
            ids=[file.relative_to(path).as_posix() for file in files.paths],
            name=f"{path.name}.{split}",
            memory=memory,
        )
    return splits_from(
        sets, path.name, validation=validation, test=test, labelled=labelled, seed=seed
    )


def split_folders(path: Path) -> dict[str, Path]:
    """The folder of each split; the whole is train where there are no such folders."""
    if not path.is_dir():
        raise DataError(f"no folder {path}. Give one with a folder of images per class.")
    folders: dict[str, Path] = {}
    for folder in sorted(path.iterdir()):
        split = SPLIT_NAMES.get(folder.name.lower())
        if split is None or not folder.is_dir():
            continue
        if split in folders:
            raise DataError(
                f"{folders[split]} and {folder} are both the {split} split. Keep one of them."
            )
        folders[split] = folder
    if not folders:
        return {"train": path}
    if "train" not in folders:
        raise DataError(
            f"{path} has the split(s) {sorted(folders)} but no folder 'train'. Add it, with a "
            "folder of images per class."
        )
    return {split: folders[split] for split in ("train", "validation", "test") if split in folders}


def list_images(folder: Path) -> list[tuple[str, Path]]:
    """(class, file) of every image, ordered by path."""
    return [
        (each.name, file)
        for each in sorted(folder.iterdir())
        if each.is_dir() and not each.name.startswith(".")
        for file in sorted(each.rglob("*"))
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()
    ]


def check_classes(found: set[str], classes: Sequence[str] | None, path: Path) -> None:
    for name in sorted(found - {NO_CLASS} - set(classes or found)):
        raise DataError(
            f"{path} has a folder '{name}', which is none of the {len(classes or ())} classes "
            f"given. {nearest(name, classes or ())}"
        )
