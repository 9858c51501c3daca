"""Images to be drawn: the queue, its workers, and what became of them."""
