"""Small models with random weights in the layout of the hub, as one that is downloaded would have."""

from pathlib import Path
from typing import Any

import torch

from ricercar.models.torchvision import mend_torchvision

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
CONVOLUTIONS = {
    "conv_dim": [16] * 7, "conv_stride": [5, 2, 2, 2, 2, 2, 2], "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "num_conv_pos_embeddings": 2, "num_conv_pos_embedding_groups": 4, "feat_extract_norm": "layer",
}  # fmt: skip
SAMPLES = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")
FAMILIES = (*SAMPLES, "whisper", "audio-spectrogram-transformer")


def write_model(
    folder: Path, family: str = "hubert", seed: int = 0, rate: int = 16000, normalised: bool = True, **options: Any
) -> Path:
    """-> the folder, with config.json, model.safetensors and preprocessor_config.json."""
    mend_torchvision()
    import transformers as hf

    hf.utils.logging.disable_progress_bar()  # which commands that are compared would be told of
    if family in SAMPLES:
        config = hf.AutoConfig.for_model(family, **{**SMALL, **CONVOLUTIONS, **options})
        extractor = hf.Wav2Vec2FeatureExtractor(sampling_rate=rate, do_normalize=normalised)
    elif family == "whisper":
        small = {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32}
        decoder = {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 32, "vocab_size": 50}
        tokens = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 1)
        config = hf.WhisperConfig(**small, **decoder, **tokens, max_source_positions=100, **options)
        extractor = hf.WhisperFeatureExtractor(chunk_length=2, sampling_rate=rate)
    elif family == "audio-spectrogram-transformer":
        config = hf.ASTConfig(**SMALL, max_length=200, num_mel_bins=32, **options)
        extractor = hf.ASTFeatureExtractor(max_length=200, num_mel_bins=32, sampling_rate=rate)
    else:
        config = hf.BertConfig(**SMALL, vocab_size=50, **options)
        extractor = None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hf.AutoModel.from_config(config).save_pretrained(folder)
    if extractor is not None:
        extractor.save_pretrained(folder)
    return folder
