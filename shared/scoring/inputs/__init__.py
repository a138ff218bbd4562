"""From request bodies to the arrays that a model takes, and what is wrong with those that are not."""
