"""The tree of agencies: province, departments, communes."""
