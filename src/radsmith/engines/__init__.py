"""What draws: the seam that all models meet, the shipped model, and other people's.

`kinds` finds them by name, also those of other packages. Touches files in `choice`, `own_kinds`,
`model_files`, `finetuned` and `diffusers_engine`, the network in `openai_engine`;
torch in `diffusers_engine` alone, and only when it is used.
"""
