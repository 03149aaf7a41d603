"""HTTP: exchanges, connections and their limits. Nothing here knows games or the suite."""
