"""ricercar serve: trained models behind HTTP."""
