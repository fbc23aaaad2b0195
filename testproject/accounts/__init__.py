"""Who is at the demo: login, and the link that the demo prints."""
