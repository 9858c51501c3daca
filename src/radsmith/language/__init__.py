"""Words to concepts: the vocabulary, prompts, and radiologists' reports.

Knows no pixels and touches no file.
"""
