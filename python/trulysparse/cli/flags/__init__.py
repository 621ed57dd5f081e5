"""Groups of flags, each beside what it sets: a flag is added and used in one file."""
