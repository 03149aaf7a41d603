"""What the user chose: target, options, profile, known failures; and the settings of a run."""
