"""Training data for the bundled prompt-injection and jailbreak classifier."""
