"""Real images: brought in, described, and read back.

`entry` and `labels` say what a row means, `run` brings files in, `corpus` reads them back. Touches
files in `corpus`, `labelling`, `listed`, `manifest`, `run`, `scan`, `shards`, `simulated`,
`simulated_bodies`, `state`, `units` and `volumes`, and the network in `remote`. Needs no torch.
"""
