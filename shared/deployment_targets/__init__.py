"""What deployment targets are told: rendered from what is desired, without effects."""
