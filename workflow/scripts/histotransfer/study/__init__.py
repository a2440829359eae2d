"""The study before the first job: config, slide sheet, extractors, tasks, plan."""
