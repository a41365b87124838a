"""A benchmark as one file, which others enter with predictions or results of their own."""
