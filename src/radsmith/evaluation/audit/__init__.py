"""The privacy audit: are synthetic images copies, and what do they tell of the people trained on?

`sets` reads, `search` and `looking` find what is near (`detector`, `alignment`), `planted` makes
copies that must be found, `copies` sets thresholds and gives the verdict, `membership`, `risks` and
`inferring` attack, `statistics` holds the formulas, `run` does all of it, `page` shows it.
"""
