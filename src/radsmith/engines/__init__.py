"""What draws: the seam that all models meet, the shipped model, and other people's.

Touches files in `choice`, `model_files`, `finetuned` and `diffusers_engine`, the network in
`openai_engine`; torch in `diffusers_engine` alone, and only when it is used.
"""
