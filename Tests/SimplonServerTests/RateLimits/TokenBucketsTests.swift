import Testing

@testable import SimplonServer

@Suite struct TokenBucketsTests {
  private let start = ContinuousClock.now

  @Test func `a burst passes, then one at a time as the bucket fills`() {
    let buckets = TokenBuckets(rate: .init(perSecond: 2, burst: 3))
    for _ in 0..<3 { #expect(buckets.take("a", at: start) == nil) }
    #expect(buckets.take("a", at: start) == .seconds(0.5))
    #expect(buckets.take("b", at: start) == nil)
    #expect(buckets.take("a", at: start + .milliseconds(500)) == nil)
    #expect(buckets.take("a", at: start + .milliseconds(500)) != nil)
    for _ in 0..<3 { #expect(buckets.take("a", at: start + .seconds(100)) == nil) }
    #expect(buckets.take("a", at: start + .seconds(100)) != nil)
  }

  @Test func `time that runs backwards gives nothing`() {
    let buckets = TokenBuckets(rate: .init(perSecond: 1, burst: 1))
    #expect(buckets.take("a", at: start) == nil)
    #expect(buckets.take("a", at: start - .seconds(10)) != nil)
    #expect(buckets.take("a", at: start + .milliseconds(900)) != nil)
  }

  @Test func `any number of names takes bounded memory, and who asks on stays limited`() {
    let buckets = TokenBuckets(rate: .init(perSecond: 0.001, burst: 2), capacity: 100)
    #expect(buckets.take("busy", at: start) == nil)
    #expect(buckets.take("busy", at: start) == nil)
    for name in 0..<10_000 {
      _ = buckets.take("name\(name)", at: start)
      if name % 50 == 0 { #expect(buckets.take("busy", at: start) != nil) }
    }
    #expect(buckets.count <= 200)
  }
}
