"""Access to the server under test: typed, recorded, paced, limited to the run's own players."""
