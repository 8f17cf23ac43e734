"""Studies: case files, the pipeline that runs them, the results they leave."""
