"""What a run found: checks, the document `results.json`, and the verdict."""
