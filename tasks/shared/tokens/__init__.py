"""Transcription as language: notes as sequences of tokens, and back. docs/tokens.md has an example."""
