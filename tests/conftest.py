"""What all tests share: one thread, no network, and where real data lies."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch

torch.set_num_threads(1)
CACHE = tempfile.TemporaryDirectory(prefix="limbeck-cache-")
os.environ["LIMBECK_CACHE"] = CACHE.name


@pytest.fixture(scope="session")
def mnist() -> Path:
    """The folder with MNIST as Parquet; skips the test where it is absent."""
    default = Path(__file__).parent.parent.parent / "shared" / "data"
    folder = Path(os.environ.get("LIMBECK_DATA", default)) / "mnist"
    if not folder.is_dir():
        pytest.skip(f"no MNIST at {folder}; set LIMBECK_DATA to the folder that holds mnist/")
    return folder


@pytest.fixture(scope="session")
def imdb(mnist: Path) -> Path:
    """The folder with IMDB's reviews as Parquet; skips the test where it is absent."""
    folder = mnist.parent / "imdb"
    if not folder.is_dir():
        pytest.skip(f"no IMDB at {folder}; set LIMBECK_DATA to the folder that holds imdb/")
    return folder


@pytest.fixture(scope="session")
def bert() -> Path:
    """The folder of a real pretrained BERT; skips the test where there is none."""
    folder = os.environ.get("LIMBECK_BERT")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set LIMBECK_BERT to the folder of a pretrained BERT, as on the hub")
    return Path(folder)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of two layers with a classifier of three classes, and its tokenizer."""
    folder = tmp_path_factory.mktemp("pretrained") / "tiny-bert"
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=len(word_pieces().get_vocab()),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=24,
        initializer_range=0.5,
        id2label={0: "bad", 1: "fair", 2: "good"},
        label2id={"bad": 0, "fair": 1, "good": 2},
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.BertForSequenceClassification(config)
    return saved_model(model, folder)


@pytest.fixture(scope="session")
def tiny_vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random ViT of two layers for images of 1 x 8 x 8, ten classes, and its preprocessing."""
    folder = tmp_path_factory.mktemp("pretrained") / "tiny-vit"
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        image_size=8,
        patch_size=4,
        num_channels=1,
        num_labels=10,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.ViTForImageClassification(config)
    saved_model(model, folder)
    settings = {"do_normalize": True, "image_mean": [0.3], "image_std": [0.25]}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture
def pieces() -> Any:
    """The tokenizer of `tiny_bert`, from the tokenizers library."""
    return word_pieces()


def saved_model(model: Any, folder: Path) -> Path:
    """The folder with a model of transformers, and with a tokenizer of word pieces."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    model.save_pretrained(folder)
    logging.enable_progress_bar()
    word_pieces().save(str(folder / "tokenizer.json"))
    return folder


def word_pieces() -> Any:
    """A tokenizer like BERT's: a few words, and all others letter by letter."""
    tokenizers = pytest.importorskip("tokenizers")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = ["a", "dull", "bright", "film", "very", "not"]
    letters = [f"{start}{chr(code)}" for start in ("", "##") for code in range(97, 123)]
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys([*special, *words, *letters]))}
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.BertNormalizer()
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return made
