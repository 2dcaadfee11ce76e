"""The back office: the owner's pages over what the slices keep."""
