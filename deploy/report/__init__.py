"""Results for people: one self-contained HTML page, and tables on a console."""
