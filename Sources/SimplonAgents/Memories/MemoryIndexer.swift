import FoundationEssentials
package import Logging
import ServiceLifecycle
import SimplonCore
package import SimplonPostgres

/// Gives memories their vectors, behind the backs of those who write them.
///
/// What fails is tried again, after a longer while each time; until then such a memory is found by its words.
package struct MemoryIndexer: Service {
  /// Texts of one request.
  static let batch = 32

  private struct Item: Sendable {
    let memory: UUID
    let version: UUID
    let text: String
  }

  private let engine: PostgresClient
  private let embeddings: Embeddings
  private let logger: Logger

  /// Makes an indexer.
  ///
  /// - Parameters:
  ///   - engine: a client whose sessions are `service_role`.
  ///   - embeddings: makes the vectors.
  ///   - logger: told of what fails.
  package init(engine: PostgresClient, embeddings: Embeddings, logger: Logger) {
    self.engine = engine
    self.embeddings = embeddings
    self.logger = logger
  }

  /// Works until graceful shutdown or cancellation.
  package func run() async throws {
    await runRounds(logger: logger, "memories wait for their vectors") { try await index() }
  }

  /// One round.
  ///
  /// - Returns: how many memories were looked at; none: there is nothing to do now.
  /// - Throws: `model.*` when none of them got its vector, by whose fault ever; `database.*`.
  @discardableResult
  func index() async throws -> Int {
    let items = try await engine.query(
      "select memory_id, version, words from simplon.take_memories(\(Int32(Self.batch)))"
    ).map { row in
      let (memory, version, text) = try row.decode(UUID.self, UUID.self, String.self)
      return Item(memory: memory, version: version, text: text)
    }
    guard !items.isEmpty else { return 0 }
    do {
      try await embed(items)
    } catch let error as SimplonError where error.retry == .never && items.count > 1 && error.isModel {
      // One text may be what the server refuses: the others need not wait for it.
      for item in items {
        do {
          try await embed([item])
        } catch let error as SimplonError where error.retry == .never && error.isModel {
          logger.warning(
            "a memory got no vector",
            metadata: ["memory": "\(item.memory.uuidString.lowercased())", "error": "\(error)"])
        }
      }
    }
    return items.count
  }

  private func embed(_ items: [Item]) async throws {
    let vectors = try await embeddings.vectors(of: items.map(\.text))
    for (item, vector) in zip(items, vectors) {
      _ = try await engine.query("select simplon.store_embedding(\(item.memory), \(item.version), \(vector))")
    }
  }
}

extension SimplonError {
  fileprivate var isModel: Bool { code.rawValue.hasPrefix("model.") }
}
