"""Gallery and model pages: where a person tries a model."""
