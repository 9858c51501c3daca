"""Reading one's own data: files of many kinds in, clean images with labels out."""
