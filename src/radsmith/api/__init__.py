"""What `import radsmith` gives, for notebooks and programs: models, pictures, data sets, figures.

Touches files in `picture` and `data`, and those of models in `model`, by way of the rooms before.
"""
