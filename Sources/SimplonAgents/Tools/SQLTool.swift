import SimplonCore
import SimplonPostgres

/// `sql`: runs one statement on the database of a connector, with the connector's own login.
struct SQLTool: Sendable {
  /// What plans see; where connectors are known, their rights decide what a write would do.
  static func declaration(_ connectors: Connectors) -> ToolDeclaration {
    ToolDeclaration(
      name: "sql", summary: "Runs one SQL statement on the PostgreSQL of a connector.",
      inputSchema: [
        "type": "object", "additionalProperties": false, "required": ["connector", "query"],
        "properties": [
          "connector": ["type": "string", "minLength": 1, "description": "a connector's name, taken as written"],
          "query": ["type": "string", "minLength": 1, "description": "one statement, taken as written, with $1, $2 …"],
          "parameters": ["type": "array", "description": "the values of $1, $2 …; arrays and objects as JSON"],
          "write": [
            "type": "boolean", "default": false, "description": "whether it changes data; without, it can only read",
          ],
          "max_rows": ["type": "integer", "minimum": 1, "maximum": 10_000],
        ],
      ],
      effectOfInput: { input in
        guard input["write"]?.bool == true else { return .pure }
        return connectors.effectOfWriting(on: input["connector"]?.string ?? "")
      }, literalFields: ["connector", "query", "write"], usesFiles: false, timeout: .seconds(60),
      maximumTimeout: .seconds(3600))
  }

  /// Bytes of rows that one call gives.
  static let byteLimit = 1 << 20

  let connectors: Connectors

  /// Runs the statement.
  ///
  /// - Throws: `tool.input`, `tool.connector`, `tool.failed`, `tool.timeout`; `run.stale`; `run.interrupted` when a write
  ///   may or may not have been committed; `CancellationError`.
  func run(_ call: ToolCall) async throws -> ToolResult {
    let name = call.input["connector"]?.string ?? ""
    let (connector, client, room) = try connectors.postgres(name, for: call.userID, among: call.connectors)
    let isWrite = call.input["write"]?.bool == true
    guard !isWrite || !connector.isReadOnly else {
      throw SimplonError(
        .toolConnector, "the connector \"\(name)\" is for reading only",
        hint: "The operator says `read_only: false` in SIMPLON_CONNECTORS.")
    }
    return try await room.withRoom(for: call.userID) {
      try await run(call, isWrite: isWrite, on: connector, client)
    }
  }

  private func run(
    _ call: ToolCall, isWrite: Bool, on connector: PostgresConnector, _ client: PostgresClient
  ) async throws -> ToolResult {
    guard call.lease.isValid else { throw SimplonError(.runStale, "the lease ran out before the statement was sent") }
    let query = SQLQuery(call.input, rowLimit: connector.rowLimit)
    let limit = PostgresSession(statementTimeout: min(connector.statementTimeout, call.timeout))
    do {
      guard isWrite else {
        // Never committed, so that what PostgreSQL lets through in spite of all (large objects, before 16) is undone.
        let output = try await client.withConnection { connection in
          try await connection.query("begin transaction read only")
          let session = ConnectorSession(connection: connection)
          try await session.check(limit)
          return try await session.read(query, limit)
        }
        return ToolResult(output: output)
      }
      let output = try await client.withTransaction(as: limit, retries: 0) { connection in
        let session = ConnectorSession(connection: connection)
        try await session.check(limit)
        guard connector.hasEffects else { return try await session.write(query) }
        return try await session.once(call) { try await session.write(query) }
      }
      return ToolResult(output: output)
    } catch let error as SimplonError {
      throw Self.failure(error, isWrite: isWrite)
    }
  }

  /// What PostgreSQL or its connection said, as the step's own failure.
  private static func failure(_ error: SimplonError, isWrite: Bool) -> SimplonError {
    func failed(_ message: String, hint: String? = nil, code: SimplonError.Code = .toolFailed) -> SimplonError {
      SimplonError(
        code, message, hint: hint, details: error.sqlState.map { ["sqlstate": .string($0)] }, cause: error)
    }
    if error.sqlState == "25006" {
      return failed("the statement changes data, and reads only here", hint: "say `write: true`")
    }
    // Our own functions say more with errors of their own; a connector's have no say in that.
    if error.isRaised { return failed("the statement raises an error of the class SIM, which is ours") }
    switch error.code {
    case .databaseOutcomeUnknown where isWrite:
      return SimplonError(
        .runInterrupted, "nobody knows whether the write was committed", retry: .backoff, cause: error)
    case .databaseOutcomeUnknown, .databaseUnavailable, .databaseBusy:
      return failed("the connector's PostgreSQL cannot be reached, or broke off", hint: "let the step `retry`")
    case .databaseTimeout: return failed("the statement passed its time limit and was undone", code: .toolTimeout)
    case .databaseQuery, .databasePermission:
      return failed(error.wordsAboutStatement.map { "PostgreSQL refuses the statement: \($0)" } ?? error.message)
    case .databaseConflict, .databaseConstraint, .databaseDecoding, .storageFull: return failed(error.message)
    case .requestInvalid, .requestTooLarge: return failed(error.message, code: .toolInput)
    default: return error
    }
  }
}

/// One statement as a step asks for it.
struct SQLQuery: Sendable {
  /// Without what may end it.
  let text: String
  /// As PostgreSQL reads them; nil is NULL.
  let parameters: [String?]
  let rowLimit: Int

  init(_ input: JSON, rowLimit: Int) {
    var text = (input["query"]?.string ?? "").unicodeScalars
    while let last = text.last, last.value <= 0x20 || last == ";" { text.removeLast() }
    self.text = String(text)
    parameters = (input["parameters"]?.array ?? []).map { value -> String? in
      switch value {
      case .null: nil
      case .bool(let truth): truth ? "true" : "false"
      case .number(let text), .string(let text): text
      case .array, .object: value.text
      }
    }
    self.rowLimit = min(rowLimit, input["max_rows"]?.integer ?? rowLimit)
  }

  /// The statement itself.
  var statement: PostgresQuery { PostgresQuery(unsafeSQL: text, binding: parameters) }

  /// A statement around it, with its parameters.
  func within(_ before: String, _ after: String) -> PostgresQuery {
    PostgresQuery(unsafeSQL: "\(before)\n\(text)\n\(after)", binding: parameters)
  }
}
