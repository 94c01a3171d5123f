"""What a release of MLflow promises: read from its wheel, kept, and compared with Tandem.

Nothing of the wheel is installed or imported. Protobuf messages come from the descriptors in its
generated modules, everything else from the syntax trees of its sources and from the scripts of its
web UI.
"""
