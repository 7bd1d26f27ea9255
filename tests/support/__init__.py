"""What the end-to-end tests share: the built programs, started and stopped, and how to wait for them."""
