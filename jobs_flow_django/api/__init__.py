"""The live protocol over plain HTTP: requests and their answers, snapshots, and events as a stream."""
