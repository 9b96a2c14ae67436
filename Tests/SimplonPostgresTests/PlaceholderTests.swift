import Testing

@Test func `placeholder Postgres`() {}
