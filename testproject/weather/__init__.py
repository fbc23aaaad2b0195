"""Weather reports: a workflow over real readings."""
