"""What `tandem-metadata doctor` looks at, a module a subject."""
