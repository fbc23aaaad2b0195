"""What the tests stand on: real servers and processes, waiting without sleeping, one test on two databases."""
