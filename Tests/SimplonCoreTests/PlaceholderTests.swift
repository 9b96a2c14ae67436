import Testing

@Test func `placeholder Core`() {}
