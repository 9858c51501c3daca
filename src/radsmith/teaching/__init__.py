"""Teaching with synthetic images: sets, quiz, repetition, figures of items, exports.

Pure: items and how answers are marked, statistics, statements, composing items from images. Touches
files and the clock in `anki`, `drawing`, `gathering`, `repetition`, `run`, `sets`. Knows no server.
"""
