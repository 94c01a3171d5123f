"""Who may call which endpoint: users and their grants, and the rules that endpoints name."""
