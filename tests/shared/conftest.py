import hypothesis

# A busy machine is no finding.
hypothesis.settings.register_profile("tandem", deadline=None, database=None)
hypothesis.settings.load_profile("tandem")
