import SimplonCore
import Synchronization
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1)))
struct ModelRouterTests {
  /// A model whose answers are given.
  private final class Scripted: Model {
    let name: ModelName
    private let answers: Mutex<[SimplonError?]>
    private let count = Mutex(0)

    /// Answers once with each; nil and what comes after them is a reply.
    init(_ name: String, _ answers: [SimplonError?]) {
      self.name = ModelName(.anthropic, name)
      self.answers = Mutex(answers)
    }

    var asked: Int { count.withLock { $0 } }

    func body(_ request: ModelRequest) -> [UInt8] { Array(name.model.utf8) }

    func reply(
      to request: ModelRequest, onText: @escaping @Sendable (String) -> Void
    ) async throws(SimplonError) -> ModelReply {
      count.withLock { $0 += 1 }
      if let error = answers.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { throw error }
      return ModelReply(
        turn: ModelTurn(model: name, blocks: [.text("hi")]), stop: .ended, usage: TokenUsage(), requestID: nil)
    }
  }

  private let request = ModelRequest(system: "", tools: [], messages: [.user("hi")], maximumOutputTokens: 10)
  private let broken = SimplonError(.modelUnavailable, "it broke off", retry: .backoff)
  private let limited = SimplonError(.modelRateLimited, "not so fast", retry: .after(.seconds(30)))

  private func ask(_ router: ModelRouter, _ wanted: ModelName? = nil) async throws(SimplonError) -> String {
    try await router.reply(to: request, from: wanted) { _ in }.turn.model.model
  }

  @Test func `the next model is asked when the first one fails, and the first again later`() async throws {
    let (first, second) = (Scripted("a", [broken]), Scripted("b", []))
    let router = ModelRouter([first, second])
    #expect(try await ask(router) == "b")
    #expect(try await ask(router) == "a")
    #expect((first.asked, second.asked) == (2, 1))
  }

  @Test func `a model in its pause is not asked, and the error says when one can be`() async throws {
    let start = ContinuousClock.now
    let time = Mutex(start)
    let (first, second) = (Scripted("a", [limited]), Scripted("b", [broken, broken, broken]))
    let router = ModelRouter([first, second], now: { time.withLock { $0 } }, jitter: { 1 })
    for _ in 0..<3 {
      let error = await #expect(throws: SimplonError.self) { try await ask(router) }
      #expect(error?.code == .modelCoolingDown)
    }
    time.withLock { $0 += .seconds(1) }
    let error = await #expect(throws: SimplonError.self) { try await ask(router) }
    #expect(error?.retry == .after(.seconds(1)), "the second one's pause of two seconds ends first")
    #expect(error?.details?["models"]?.array?.count == 2)
    #expect((first.asked, second.asked) == (1, 3))
    time.withLock { $0 += .seconds(1) }
    #expect(try await ask(router) == "b")
    time.withLock { $0 = start + .seconds(30) }
    #expect(try await ask(router) == "a")
  }

  @Test func `a request's own fault is nobody else's to answer`() async throws {
    let (first, second) = (Scripted("a", [SimplonError(.modelRefused, "no")]), Scripted("b", []))
    let router = ModelRouter([first, second])
    let error = await #expect(throws: SimplonError.self) { try await ask(router) }
    #expect(error?.code == .modelRefused)
    #expect(second.asked == 0)
  }

  @Test func `a cancelled call says nothing about the model`() async throws {
    let stopped = SimplonError(.runInterrupted, "stopped")
    let (first, second) = (Scripted("a", [stopped, stopped, stopped, stopped]), Scripted("b", []))
    let router = ModelRouter([first, second])
    for _ in 0..<4 {
      let error = await #expect(throws: SimplonError.self) { try await ask(router) }
      #expect(error?.code == .runInterrupted)
    }
    #expect(try await ask(router) == "a")
    #expect(second.asked == 0)
  }

  @Test func `one model that is wanted is asked alone`() async throws {
    let (first, second) = (Scripted("a", []), Scripted("b", [broken]))
    let router = ModelRouter([first, second])
    let error = await #expect(throws: SimplonError.self) { try await ask(router, second.name) }
    #expect(error?.code == .modelUnavailable && error?.retry == .backoff)
    let unknown = await #expect(throws: SimplonError.self) { try await ask(router, ModelName(.openai, "c")) }
    #expect(unknown?.code == .modelNotConfigured)
    #expect(first.asked == 0)
  }

  @Test func `refused keys alone are not waited for`() async throws {
    let refused = SimplonError(.modelAuth, "the key is refused")
    let router = ModelRouter([Scripted("a", [refused]), Scripted("b", [refused])])
    let error = await #expect(throws: SimplonError.self) { try await ask(router) }
    #expect(error?.code == .modelAuth && error?.retry == .never)
    let alone = await #expect(throws: SimplonError.self) { try await ask(ModelRouter([Scripted("a", [refused])])) }
    #expect(alone?.code == .modelAuth, "one model's error is its own")
  }

  @Test func `bytes that were made for one model are no other's, and none any more when the request has changed`() {
    let router = ModelRouter([Scripted("a", []), Scripted("b", [])])
    let (a, b) = (ModelName(.anthropic, "a"), ModelName(.anthropic, "b"))
    var prepared = router.prepared(request, for: a)
    #expect(prepared.bytes(for: a) == Array("a".utf8))
    #expect(prepared.bytes(for: b) == nil)
    prepared.toolChoice = .none
    #expect(prepared.bytes(for: a) == nil)
    #expect(router.prepared(request, for: ModelName(.anthropic, "c")).prepared == nil)
  }
}
