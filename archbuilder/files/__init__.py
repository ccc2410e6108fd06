"""Open, read and replace files in directories that another person may control."""
