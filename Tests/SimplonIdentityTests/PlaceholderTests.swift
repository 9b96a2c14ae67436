import Testing

@Test func `placeholder Identity`() {}
