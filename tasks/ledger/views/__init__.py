"""What people see of many jobs at once."""
