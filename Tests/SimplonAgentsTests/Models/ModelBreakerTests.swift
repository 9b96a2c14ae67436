import SimplonCore
import Testing

@testable import SimplonAgents

struct ModelBreakerTests {
  private let start = ContinuousClock.now
  private let fault = SimplonError(.modelUnavailable, "it broke off", retry: .backoff)

  @Test func `three failures in a row close the door, and then one tries`() {
    var breaker = ModelBreaker()
    for _ in 0..<2 {
      #expect(breaker.enter(at: start) == nil)
      breaker.failed(fault, at: start, jitter: 1)
    }
    #expect(breaker.enter(at: start) == nil)
    breaker.failed(fault, at: start, jitter: 1)
    #expect(breaker.enter(at: start) == .seconds(2))
    #expect(breaker.enter(at: start + .seconds(2)) == nil)
    #expect(breaker.enter(at: start + .seconds(2)) == ModelBreaker.trialPause, "only one tries")
    breaker.failed(fault, at: start + .seconds(3), jitter: 1)
    #expect(breaker.enter(at: start + .seconds(3)) == .seconds(4), "the pause doubles")
    #expect(breaker.enter(at: start + .seconds(7)) == nil)
    breaker.succeeded()
    for _ in 0..<5 { #expect(breaker.enter(at: start + .seconds(7)) == nil) }
  }

  @Test func `whoever tries and goes away leaves the trial to another`() {
    var breaker = ModelBreaker()
    for _ in 0..<3 { breaker.failed(fault, at: start, jitter: 1) }
    #expect(breaker.enter(at: start + .seconds(2)) == nil)
    breaker.abandoned()
    #expect(breaker.enter(at: start + .seconds(2)) == nil)
  }

  @Test func `what the vendor says about coming back holds at once, and the longer of two times`() {
    var breaker = ModelBreaker()
    breaker.failed(SimplonError(.modelRateLimited, "", retry: .after(.seconds(30))), at: start, jitter: 0)
    breaker.failed(SimplonError(.modelRateLimited, "", retry: .after(.seconds(5))), at: start, jitter: 0)
    #expect(breaker.enter(at: start + .seconds(10)) == .seconds(20))
    #expect(breaker.enter(at: start + .seconds(30)) == nil)
  }

  @Test func `what the vendor says is not forgotten when a call that was under way ends`() {
    let limit = SimplonError(.modelRateLimited, "", retry: .after(.seconds(60)))
    for ending in [nil, SimplonError(.modelRefused, ""), fault] as [SimplonError?] {
      var breaker = ModelBreaker()
      for _ in 0..<4 { #expect(breaker.enter(at: start) == nil) }
      breaker.failed(limit, at: start, jitter: 0)
      for _ in 0..<3 {
        if let ending { breaker.failed(ending, at: start + .seconds(1), jitter: 0) } else { breaker.succeeded() }
      }
      #expect(breaker.enter(at: start + .seconds(2)) == .seconds(58))
      #expect(breaker.enter(at: start + .seconds(60)) == nil)
    }
  }

  @Test(arguments: [SimplonError.Code.modelAuth, .modelSpendLimit, .modelRequest, .modelRefused, .modelContextFull])
  func `what no time mends closes no door`(_ code: SimplonError.Code) {
    var breaker = ModelBreaker()
    for _ in 0..<5 { breaker.failed(SimplonError(code, ""), at: start, jitter: 0) }
    #expect(breaker.enter(at: start) == nil)
  }
}
