"""What every room uses: errors, exclusions, files, random streams, logs, provenance."""
