import Testing

@Test func `placeholder Server`() {}
