"""Watching over WebSockets: protocol, relay, consumer, routing."""
