"""A tokenizer of bytes, for encoders so small that they have no words."""

from tokenizers import Tokenizer, models, pre_tokenizers, processors


def byte_tokenizer(start: str, end: str) -> Tokenizer:
    """One id a byte, between a first and a last token."""
    alphabet = [start, end, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.BertProcessing((end, 1), (start, 0))
    return tokenizer
