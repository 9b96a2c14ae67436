package enum PlaceholderSimplonIdentity {}
