"""Ways to combine sources, how they are compared, and which is deployed."""
