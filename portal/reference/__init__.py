"""The developer pages: the first call, every model, every error."""
