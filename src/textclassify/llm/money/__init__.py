"""What language models cost and may do: prices, budgets, limits of a run, estimates."""
