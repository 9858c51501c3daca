"""Training of the default model: needs the `train` extra (torch)."""
