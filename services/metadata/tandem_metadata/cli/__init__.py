"""The commands of tandem-metadata beside serve."""
