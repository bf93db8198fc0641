"""The top of the package: complete, and light."""

import subprocess
import sys

import pytest

import limbeck


def test_every_public_name_can_be_imported():
    """Prevents a name in the vocabulary that no module defines."""
    for name in limbeck.__all__:
        assert getattr(limbeck, name) is not None
    assert sorted(set(limbeck.__all__)) == sorted({*limbeck.MODULE_OF, *limbeck.PACKAGES})


def test_importing_limbeck_imports_nothing_heavy():
    """Prevents a slow start of the command line."""
    script = (
        "import sys, limbeck; "
        "print([m for m in ('torch', 'numpy', 'pyarrow', 'sklearn') if m in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"


def test_an_unknown_name_lists_the_known_ones():
    """Prevents an AttributeError that does not help."""
    with pytest.raises(AttributeError, match="limbeck has no 'destill'. It has: SGD"):
        _ = limbeck.destill
