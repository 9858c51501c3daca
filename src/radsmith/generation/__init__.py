"""From a prompt to images in files.

`plan` decides what is drawn, and draws it; `run` makes many, `sharded` very many on many machines.
Touches files and clock in `prompt_list`, `run` and `sharded` alone.
"""
