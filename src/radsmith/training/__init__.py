"""Training and fine-tuning of models: needs the extra `train` or `diffusers`. Touches anything.

Nothing but the command line imports it.
"""
