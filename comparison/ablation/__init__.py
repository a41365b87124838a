"""A sweep as an experiment: what each choice changes, and how sure that is."""
