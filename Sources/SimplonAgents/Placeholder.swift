package enum PlaceholderSimplonAgents {}
