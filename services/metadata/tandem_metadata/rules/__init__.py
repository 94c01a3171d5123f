"""What requests may say, checked without SQL and without HTTP."""
