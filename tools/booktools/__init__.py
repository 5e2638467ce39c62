"""The tools that keep the book in step and build it."""
