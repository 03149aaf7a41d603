"""What the user said: target, options, profile, known failures, and the run that they make."""
