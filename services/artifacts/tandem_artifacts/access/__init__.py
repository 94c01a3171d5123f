"""Who may do what with artifacts, as the metadata service decides."""
