import Crypto
import SimplonCore
import Testing

@testable import SimplonIdentity

@Suite struct PrincipalCacheTests {
  private func hash(_ number: Int) -> SHA256.Digest { SHA256.hash(data: Array("\(number)".utf8)) }

  private func principal(_ number: Int, expiresAt: Int? = nil) -> Principal {
    Principal(role: .anon, claims: ["n": .integer(number)], source: .key, expiresAt: expiresAt)
  }

  @Test(arguments: [(nil, 60), (1030, 30), (5000, 60)] as [(Int?, Int)])
  func `an entry lasts a minute or until its expiry`(_ expiry: Int?, _ lifetime: Int) {
    let cache = PrincipalCache()
    cache.insert(principal(1, expiresAt: expiry), for: hash(1), now: 1000)
    #expect(cache[hash(1), now: 1000 + lifetime - 1] == principal(1, expiresAt: expiry))
    #expect(cache[hash(1), now: 1000 + lifetime] == nil)
    #expect(cache[hash(2), now: 1000] == nil)
  }

  @Test func `what has expired is not kept`() {
    let cache = PrincipalCache()
    cache.insert(principal(1, expiresAt: 999), for: hash(1), now: 1000)
    #expect(cache[hash(1), now: 990] == nil)
  }

  @Test func `a clock set back ends an entry`() {
    let cache = PrincipalCache()
    cache.insert(principal(1), for: hash(1), now: 1000)
    #expect(cache[hash(1), now: 999] == nil)
  }

  @Test(arguments: [PrincipalCache(entries: 10), PrincipalCache(bytes: 10 * 22)])
  func `the cache is bounded and keeps what is used`(_ cache: PrincipalCache) {
    for number in 100..<200 {
      cache.insert(principal(number), for: hash(number), now: 0)
      if number > 100 { #expect(cache[hash(100), now: 0] != nil) }
    }
    let kept = (100..<200).count { cache[hash($0), now: 0] != nil }
    #expect((2...10).contains(kept))
  }
}
