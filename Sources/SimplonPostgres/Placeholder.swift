package enum PlaceholderSimplonPostgres {}
