"""What a run found: checks, the document made of them, and the verdict."""
