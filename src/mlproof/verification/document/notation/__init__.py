"""The notation of a document: what its symbols and their scripts are."""
