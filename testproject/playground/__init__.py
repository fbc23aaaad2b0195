"""The test page: make instances of every kind, run them, look for them, remove them; and the template tags."""
