"""Label audit: where systems agree with each other against the labels."""
