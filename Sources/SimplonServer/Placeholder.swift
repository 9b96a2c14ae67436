package enum PlaceholderSimplonServer {}
