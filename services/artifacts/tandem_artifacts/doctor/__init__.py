"""What `tandem-artifacts doctor` looks at, a module a subject."""
