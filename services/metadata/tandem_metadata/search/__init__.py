"""The filter language of searches: lexer, parser, compilation to SQL, ordering, page tokens."""
