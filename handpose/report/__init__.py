"""The report of a finished run: its figures, its page, and its lines in the terminal."""
