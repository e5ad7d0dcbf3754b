"""The speaking list and its clock."""
