"""The language of token decoders: which tokens there are, which may follow, and what says them."""
