"""What tokens stand for, byte by byte."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from samples import sentences, tiny_settings
from topklm.data.tokenizer import BOUNDARY, encode_documents, token_bytes, train_tokenizer, vocabulary_size
from topklm.evaluation.generation import write_many
from topklm.training.initial import new_model

TOKENIZER = train_tokenizer([*sentences(60), "naïve café 日本 🎉"], 320)
BYTES = token_bytes(TOKENIZER)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_the_bytes_of_a_texts_tokens_are_the_text(text: str) -> None:
    assert b"".join(BYTES[token] for token in encode_documents(TOKENIZER, [text])[0]) == text.encode()


def test_there_is_an_entry_for_every_id_and_special_tokens_keep_their_name() -> None:
    assert len(BYTES) == vocabulary_size(TOKENIZER)
    assert BYTES[TOKENIZER.bos_token_id] == BOUNDARY.encode()


def sentencepiece_like() -> PreTrainedTokenizerFast:
    """A tokenizer that marks spaces as SentencePiece does and falls back to bytes."""
    pieces = ["<unk>", "<s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", "d", "o", "g"]
    pieces += ["do", "dog", "\u2581dog"]
    merges = [("d", "o"), ("do", "g"), ("\u2581", "dog")]
    backend = Tokenizer(
        models.BPE({piece: place for place, piece in enumerate(pieces)}, merges, byte_fallback=True)
    )
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    backend.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", unk_token="<unk>")


def test_a_sentencepiece_tokenizer_keeps_its_spaces_and_bytes() -> None:
    tokenizer = sentencepiece_like()
    found = token_bytes(tokenizer)
    ids = tokenizer("dog dog é", add_special_tokens=False)["input_ids"]
    assert b"".join(found[token] for token in ids) == " dog dog é".encode()


def test_what_is_written_keeps_its_space_and_ends_before_the_next_document() -> None:
    """Packing puts only the first token between documents, also where the last is another one."""
    tokenizer = sentencepiece_like()
    tokenizer.add_special_tokens({"eos_token": "</s>"})
    dog = tokenizer("dog", add_special_tokens=False)["input_ids"]
    asked: dict[str, Any] = {}

    def generate(input_ids: torch.Tensor, **options: Any) -> torch.Tensor:
        asked.update(options)
        more = torch.tensor([[*dog, tokenizer.bos_token_id, *dog]])
        return torch.cat([input_ids, more.expand(len(input_ids), -1)], 1)

    model = SimpleNamespace(
        config=SimpleNamespace(max_position_embeddings=99),
        device=torch.device("cpu"),
        generate=generate,
        generation_config=SimpleNamespace(eos_token_id=tokenizer.eos_token_id),
    )
    assert write_many(model, tokenizer, "dog dog", 2) == [" dog", " dog"]
    assert asked["eos_token_id"] == [tokenizer.bos_token_id, tokenizer.eos_token_id]


def test_a_new_models_own_config_names_both_ends(text_file: Path) -> None:
    """Plain transformers stops where ours does: it knows nothing but the config."""
    tokenizer = sentencepiece_like()
    tokenizer.add_special_tokens({"eos_token": "</s>"})
    model = new_model(tiny_settings(text_file), tokenizer, attention="eager")
    ends = [tokenizer.bos_token_id, tokenizer.eos_token_id]
    assert model.config.eos_token_id == model.generation_config.eos_token_id == ends


@pytest.mark.parametrize("word", ["dog", "ab"])
def test_a_word_tokenizer_gets_its_own_decoding(word: str) -> None:
    vocabulary = {"[UNK]": 0, "a": 1, "dog": 2, "##b": 3, "cat": 4}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.decoder = decoders.WordPiece()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")
    found = token_bytes(tokenizer)
    ids = tokenizer(word, add_special_tokens=False)["input_ids"]
    assert b"".join(found[token] for token in ids).decode().strip() == word
