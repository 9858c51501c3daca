"""What every route needs: who asks, what is refused, uploads, pages, waiting."""
