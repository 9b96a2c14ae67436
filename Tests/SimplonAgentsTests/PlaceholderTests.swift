import Testing

@Test func `placeholder Agents`() {}
