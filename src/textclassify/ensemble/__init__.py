"""What is learned on top of several sources: honest out-of-fold scores, and the fusion of them."""
