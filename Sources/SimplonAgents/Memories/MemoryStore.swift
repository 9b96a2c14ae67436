import FoundationEssentials
import SimplonCore
package import SimplonPostgres

/// What runs remember for their owners: the SQL of `agent_memory`.
///
/// Each statement runs under the principal of the run's owner, as it was stored with the run, and with a user's role at
/// most. A step that is not under way any more changes nothing.
package struct MemoryStore: Sendable {
  /// Bytes of a key, an agent's name or a namespace.
  static let nameLimit = 255
  /// Bytes of a content.
  static let contentLimit = 65_536
  /// Bytes of the text of what is known about a content.
  static let metadataLimit = 16_384
  /// Bytes of what one search gives.
  static let resultLimit = 1 << 20

  /// Where something is kept; an empty text is no agent, or no namespace.
  struct Place: Sendable {
    let agent: String
    let namespace: String
    let key: String
  }

  private let callers: PostgresClient
  private let engine: PostgresClient
  private let embeddings: Embeddings?

  /// Puts a store together.
  ///
  /// - Parameters:
  ///   - callers: a client whose sessions may become `authenticated`.
  ///   - engine: a client whose sessions are `service_role`.
  ///   - embeddings: makes the vectors of queries; nil searches by words.
  package init(callers: PostgresClient, engine: PostgresClient, embeddings: Embeddings?) {
    self.callers = callers
    self.engine = engine
    self.embeddings = embeddings
  }

  /// Keeps a content in the place of what was there.
  ///
  /// - Throws: `tool.limit`; `run.stale`; `database.*`.
  func put(_ content: String, _ metadata: JSON, at place: Place, _ call: ToolCall) async throws {
    try await query(
      """
      select simplon.put_memory(\(call.runID), \(Int32(call.attempt)), \(call.stepID), \(place.agent),
        \(place.namespace), \(place.key), \(content), \(metadata))
      """, call)
  }

  /// What is kept there: `{content, metadata, updated_at}`, or nil.
  func get(_ place: Place, _ call: ToolCall) async throws -> JSON? {
    try await query(
      """
      select json_build_object('content', m.content, 'metadata', m.metadata, 'updated_at', m.updated_at)::text
      from simplon.get_memory(\(place.agent), \(place.namespace), \(place.key)) m
      """, call
    ).first.map { try JSON(parsing: $0.decode(String.self)) }
  }

  /// Forgets what is kept there.
  ///
  /// - Returns: whether there was anything.
  func delete(_ place: Place, _ call: ToolCall) async throws -> Bool {
    try await query(
      """
      select simplon.delete_memory(\(call.runID), \(Int32(call.attempt)), \(call.stepID), \(place.agent),
        \(place.namespace), \(place.key))
      """, call
    ).first?.decode(Bool.self) ?? false
  }

  /// What is closest to a text: `{search, why?, items, truncated}`, best first.
  ///
  /// Where there are vectors and the text can get one, it is by these; else by words, and `why` says why.
  func search(
    _ text: String, agent: String?, namespace: String?, limit: Int, _ call: ToolCall
  ) async throws -> JSON {
    let (vector, why) = try await self.vector(of: text)
    let rows = try await query(
      """
      select json_build_object('agent', m.agent, 'namespace', m.namespace, 'key', m.key, 'content', m.content,
        'metadata', m.metadata, 'updated_at', m.updated_at, 'score', m.score,
        'by', case when m.by_vector then 'vectors' else 'words' end)::text
      from simplon.search_memory(\(text), \(vector), \(agent), \(namespace), \(Int32(limit))) m
      """, call)
    var items = [JSON]()
    var bytes = 0
    for row in rows {
      let item = try row.decode(String.self)
      bytes += item.utf8.count
      guard bytes <= Self.resultLimit else { break }
      items.append(try JSON(parsing: item))
    }
    var members: [String: JSON] = [
      "search": vector == nil ? "words" : "vectors", "items": .array(items),
      "truncated": .bool(items.count < rows.count),
    ]
    members["why"] = why.map(JSON.string)
    return .object(members)
  }

  private func vector(of text: String) async throws -> (vector: [Float]?, why: String?) {
    guard let embeddings else { return (nil, "no embeddings are configured") }
    let rows = try await engine.query("select simplon.has_vectors()")
    guard try rows.first?.decode(Bool.self) == true else { return (nil, "the database has no vectors (pgvector)") }
    do throws(SimplonError) {
      return (try await embeddings.vectors(of: [text]).first, nil)
    } catch {
      try Task.checkCancellation()
      return (nil, error.code.rawValue)
    }
  }

  /// Runs a statement as the run's owner.
  @discardableResult
  private func query(_ query: PostgresQuery, _ call: ToolCall) async throws -> PostgresRows {
    let rows = try await engine.query("select owner_claims from agent_runs where id = \(call.runID)")
    guard let row = rows.first else { throw SimplonError(.runStale, "the run is not there any more") }
    let claims = try row.decode(PostgresJSONText?.self)?.text ?? #"{"role":"authenticated"}"#
    guard call.lease.isValid else { throw SimplonError(.runStale, "the lease ran out before anything was sent") }
    return try await callers.query(
      query,
      as: PostgresSession(
        role: "authenticated", claims: claims, statementTimeout: min(call.timeout, .seconds(10))))
  }
}
