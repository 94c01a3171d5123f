"""Who may do what, on MLflow's own server and on Tandem: one database, its users, and requests."""
