"""How the candidates of each text are checked: yes/no questions, choices among them, and a model's bias."""
