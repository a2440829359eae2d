"""Quality control: verdicts on patches, their pictures, the cohort, QuPath."""
