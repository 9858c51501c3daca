"""From a prompt to images in files.

`plan` decides what is drawn, and draws it; `run` makes many. Touches files and clock in
`prompt_list` and `run` alone.
"""
