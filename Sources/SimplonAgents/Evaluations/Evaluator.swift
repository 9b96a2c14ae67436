import FoundationEssentials
package import Logging
import ServiceLifecycle
import SimplonCore
package import SimplonPostgres

/// Has what typed tasks gave judged by an HTTP endpoint of the operator's, and keeps the score.
///
/// A task is judged when it is completed, and whatever becomes of that changes nothing about it: what fails is tried
/// again some times, after a longer while each time, and then let be.
package struct Evaluator: Service {
  /// How the endpoint is reached.
  package struct Configuration: Sendable {
    /// Where tasks are sent.
    package var url: String
    /// The key, sent as `Authorization: Bearer`; nil for an endpoint that asks for none.
    package var key: ModelKey?

    /// Makes a configuration.
    package init(url: String, key: ModelKey?) {
      self.url = url
      self.key = key
    }
  }

  /// Tasks that are judged at once.
  private static let batch = 8
  private static let largestAnswer = 1 << 20

  private struct Item: Sendable {
    let execution: UUID
    let ended: String
    let task: JSON
  }

  private let engine: PostgresClient
  private let configuration: Configuration
  private let transport: ModelTransport
  private let logger: Logger

  /// Makes an evaluator.
  ///
  /// - Parameters:
  ///   - engine: a client whose sessions are `service_role`.
  ///   - configuration: how the endpoint is reached.
  ///   - transport: sends the requests; it must outlive this.
  ///   - logger: told of what fails.
  package init(
    engine: PostgresClient, configuration: Configuration, transport: ModelTransport, logger: Logger
  ) {
    self.engine = engine
    self.configuration = configuration
    self.transport = transport
    self.logger = logger
  }

  /// Works until graceful shutdown or cancellation.
  package func run() async throws {
    await runRounds(logger: logger, "tasks wait to be judged") { try await evaluate() }
  }

  /// One round.
  ///
  /// - Returns: how many tasks were looked at; none: there is nothing to do now.
  /// - Throws: `database.*`.
  @discardableResult
  func evaluate() async throws -> Int {
    let items = try await engine.query(
      "select execution_id, completed_at::text, task from simplon.take_evaluations(\(Int32(Self.batch)))"
    ).map { row in
      let (execution, ended, task) = try row.decode(UUID.self, String.self, JSON.self)
      return Item(execution: execution, ended: ended, task: task)
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for item in items { group.addTask { try await evaluate(item) } }
      try await group.waitForAll()
    }
    return items.count
  }

  private func evaluate(_ item: Item) async throws {
    let score: Double
    do {
      score = try await self.score(of: item.task)
    } catch {
      try Task.checkCancellation()
      logger.warning(
        "a task could not be judged",
        metadata: ["task_id": "\(item.task["task_id"]?.string ?? "")", "error": "\(error)"])
      return
    }
    _ = try await engine.query("select simplon.store_score(\(item.execution), \(item.ended), \(score))")
  }

  private func score(of task: JSON) async throws(SimplonError) -> Double {
    let answer = try await transport.exchange(
      task, with: configuration.url, headers: configuration.key.bearer, limit: Self.largestAnswer)
    guard answer.isGood else {
      throw SimplonError(.modelRequest, "the evaluator answered \(answer.status)", retry: .backoff)
    }
    return try Self.score(in: answer.body)
  }

  /// The score of an answer, `{"score": 0.8}`.
  ///
  /// - Throws: `model.protocol` for what is no number from 0 to 1.
  static func score(in body: [UInt8]) throws(SimplonError) -> Double {
    guard case .number(let text)? = (try? JSON(parsing: body))?["score"], let score = Double(text),
      (0...1).contains(score)
    else {
      throw SimplonError(.modelProtocol, "the evaluator gave no \"score\" from 0 to 1", retry: .backoff)
    }
    return score
  }
}
