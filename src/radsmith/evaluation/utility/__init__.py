"""Usefulness: do classifiers get better with synthetic images, on real images of other patients?

`tasks` says what is to be told apart, `arms` what is trained on, `heads` how, `scores` how well,
`leakage` what must be taken out before; `experiment` runs them, `page` and `files` show them.
"""
