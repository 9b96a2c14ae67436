import FoundationEssentials
import SimplonCore

/// `http`: sends one request to where the operator lets it, by URL or through a connector.
struct HTTPTool: Sendable {
  static let declaration = ToolDeclaration(
    name: "http", summary: "Sends an HTTP request to a host that the operator allows, or through a connector.",
    inputSchema: [
      "type": "object", "additionalProperties": false, "properties": .object(target.merging(content) { $1 }),
    ],
    effectOfInput: { HTTPTool.effect(of: $0) }, literalFields: ["connector", "idempotency", "method"], usesFiles: false,
    timeout: .seconds(60), maximumTimeout: .seconds(3600))

  /// Where to, and how.
  private static let target: [String: JSON] = [
    "method": ["type": "string", "enum": .array(HTTPField.methods.map(JSON.string)), "default": "GET"],
    "url": ["type": "string", "description": "http or https; or else `connector` and `path`"],
    "connector": ["type": "string", "minLength": 1, "description": "a connector's name, taken as written"],
    "path": ["type": "string", "description": "below the connector's base, beginning with /"],
    "query": [
      "type": "object", "description": "names and values, or lists of values, added to the URL's query",
      "additionalProperties": [
        "type": ["string", "number", "boolean", "array"], "items": ["type": ["string", "number", "boolean"]],
      ],
    ],
    "timeout": ["type": "string", "description": "a time such as 10s, within the step's"],
    "idempotency": ["type": "boolean", "description": "sends an Idempotency-Key made of run, step and attempt"],
    "idempotency_key": ["type": "string", "minLength": 1, "maxLength": 255],
  ]

  /// What is sent, and what may come back.
  private static let content: [String: JSON] = [
    "headers": ["type": "object", "additionalProperties": ["type": "string"]],
    "body": ["type": "string", "description": "text; or else `json`"],
    "json": ["description": "any value"],
    "max_bytes": [
      "type": "integer", "minimum": 1, "maximum": .integer(HTTPTool.mostBytes),
      "default": .integer(HTTPTool.usualBytes),
    ],
    "expect": [
      "type": "array", "description": "statuses such as 200 or 2xx; any other fails the step",
      "items": ["type": ["integer", "string"]],
    ],
  ]

  /// Bytes of an answer that are read at most, and where the input does not say.
  static let mostBytes = 4 << 20
  static let usualBytes = 1 << 20

  let egress: EgressClient
  let connectors: Connectors
  let approvals: ApprovalRules
  let blobs: BlobStore

  /// What asks is pure; what the server knows by its place or by a key may be repeated; anything else may not.
  static func effect(of input: JSON) -> EffectKind {
    let method = input["method"]?.string ?? "GET"
    if HTTPField.safeMethods.contains(method) { return .pure }
    let hasKey = input["idempotency"]?.bool == true || input["idempotency_key"].map { !$0.isNull } ?? false
    return hasKey || method == "PUT" || method == "DELETE" ? .idempotent : .manual
  }

  /// Sends the request.
  ///
  /// - Throws: `tool.input`, `tool.egress`, `tool.connector`, `tool.failed`, `tool.timeout`; `run.stale`;
  ///   `run.interrupted` when nobody can know what a request has done that must not be sent again; `storage.*`.
  func run(_ call: ToolCall) async throws -> ToolResult {
    let (request, secrets) = try prepare(call)
    let expected = try Expectation(call.input["expect"])
    var timeout = call.timeout
    if let text = call.input["timeout"]?.string {
      guard let own = Duration(parsing: text), own > .zero else {
        throw SimplonError(.toolInput, "\"timeout\" must be a time such as 10s")
      }
      timeout = min(timeout, own)
    }
    guard call.lease.isValid else { throw SimplonError(.runStale, "the lease ran out before the request was sent") }
    let count = EgressCount()
    var response: EgressResponse
    do {
      response = try await egress.send(request, within: timeout, count)
    } catch let error as SimplonError where count.value > 0 && Self.effect(of: call.input) == .manual {
      throw SimplonError(
        .runInterrupted, "nobody knows what the request has done: \(error.message)", retry: .backoff, cause: error)
    }
    response.hide(secrets)
    // A session that was opened with the connector's credentials is one of them.
    if call.input["connector"]?.string != nil { response.headers.removeAll { $0.name == "set-cookie" } }
    let output = try await self.output(of: response, call).hiding(secrets)
    guard expected.holds(response.status) else {
      let error = SimplonError(
        .toolFailed, "the server answered \(response.status)", details: ["status": .integer(response.status)])
      return ToolResult(output: output, error: error)
    }
    return ToolResult(output: output)
  }

  private func prepare(_ call: ToolCall) throws(SimplonError) -> (EgressRequest, secrets: [String]) {
    let input = call.input
    let method = input["method"]?.string ?? "GET"
    var connector: HTTPConnector?
    var url: EgressURL
    switch (input["url"]?.string, input["connector"]?.string) {
    case (let text?, nil):
      guard input["path"] == nil else { throw SimplonError(.toolInput, "\"path\" needs a connector") }
      url = try EgressURL(text)
    case (nil, let name?):
      let found = try connectors.http(name, for: call.userID, among: call.connectors)
      guard found.methods.contains(method) else {
        throw SimplonError(
          .toolConnector, "the connector \"\(name)\" does not let \(method) through",
          details: ["methods": .array(found.methods.sorted().map(JSON.string))])
      }
      url = try found.url(input["path"]?.string ?? "/")
      connector = found
    default: throw SimplonError(.toolInput, "either \"url\" or \"connector\" must be there, and not both")
    }
    url = try url.adding(Self.query(input["query"]?.object ?? [:]))
    let secrets = connector?.secrets ?? []
    let limit = input["max_bytes"]?.integer ?? Self.usualBytes
    // A secret that the limit cuts must be seen whole to be found.
    let slack = 1 + (secrets.map(\.utf8.count).max() ?? 0)
    var request = EgressRequest(
      method: method, url: url, limit: limit + slack, connector: connector, owner: call.userID)
    for (name, value) in (input["headers"]?.object ?? [:]).sorted(by: { $0.key < $1.key }) {
      let value = value.string ?? ""
      // In pieces, or packed, a secret that the server repeats could not be found.
      let hides = connector != nil && ["accept-encoding", "range", "if-range"].contains(HTTPField.asRead(name))
      guard HTTPField.isName(name), HTTPField.isValue(value), !hides else {
        throw SimplonError(.toolInput, "the header \"\(name.prefix(64))\" cannot be set, or not to this value")
      }
      request.headers.append((name, value))
    }
    try request.addBody(input)
    request.addKey(call)
    // A call that needs approval has to be made by itself: what may have been approved is this one.
    request.follows = { [approvals] next in
      approvals.rule(for: Self.declaration, Self.input(input, redirectedTo: next)) == nil
    }
    return (request, secrets)
  }

  /// The input of the call that would send what a redirect asks for.
  private static func input(_ input: JSON, redirectedTo next: EgressRequest) -> JSON {
    var members = input.object ?? [:]
    for name in ["url", "connector", "path", "query"] { members[name] = nil }
    if next.body == nil { for name in ["body", "json"] { members[name] = nil } }
    members["method"] = .string(next.method)
    if next.isToConnector, let connector = next.connector {
      members["connector"] = input["connector"]
      members["path"] = .string(connector.path(of: next.url))
    } else {
      members["url"] = .string(next.url.text)
    }
    return .object(members)
  }

  /// The ways to write the address to which a call's `url` or `path` leads, with `query` and without it.
  ///
  /// None where it cannot be read: such a call is refused.
  static func spellings(of argument: String, in input: JSON) -> [String] {
    let isURL = argument == "url"
    let path = input["connector"]?.string == nil ? nil : input["path"]?.string ?? "/"
    // No real origin is shorter, so what is too long with this one is with any.
    guard let text = isURL ? input["url"]?.string : path.map({ "http://h\($0)" }), let url = try? EgressURL(text) else {
      return []
    }
    let whole = try? url.adding(query(input["query"]?.object ?? [:]))
    return (url.readings + (whole?.readings ?? [])).map { isURL ? url.origin + $0 : $0 }
  }

  private static func query(_ members: [String: JSON]) -> [(name: String, value: String)] {
    members.sorted { $0.key < $1.key }.flatMap { name, value in
      (value.array ?? [value]).map { (name: name, value: $0.string ?? $0.text) }
    }
  }
}

extension EgressRequest {
  fileprivate mutating func addBody(_ input: JSON) throws(SimplonError) {
    let json = input["json"].flatMap { $0.isNull ? nil : $0 }
    let text = input["body"]?.string
    guard json == nil || text == nil else { throw SimplonError(.toolInput, "\"body\" and \"json\" exclude each other") }
    guard json != nil || text != nil else { return }
    guard method != "GET", method != "HEAD" else { throw SimplonError(.toolInput, "a \(method) has no body") }
    body = json?.utf8 ?? text.map { Array($0.utf8) }
    if !headers.contains(where: { $0.name.lowercased() == "content-type" }) {
      headers.append(("Content-Type", json == nil ? "text/plain; charset=utf-8" : "application/json"))
    }
  }

  /// The key is the same for every repeat within an attempt of the run.
  fileprivate mutating func addKey(_ call: ToolCall) {
    var key = call.input["idempotency_key"]?.string
    if key == nil, call.input["idempotency"]?.bool == true {
      key = "\(call.runID.uuidString.lowercased())/\(call.stepID)/\(call.attempt)"
    }
    guard let key else { return }
    headers.removeAll { $0.name.lowercased() == "idempotency-key" }
    headers.append(("Idempotency-Key", key))
  }
}

/// The statuses that do not fail a step.
private struct Expectation {
  private let statuses: [String]

  init(_ json: JSON?) throws(SimplonError) {
    statuses = (json?.array ?? []).map { $0.string ?? $0.text }
    for status in statuses {
      let bytes = Array(status.utf8)
      guard bytes.count == 3, (UInt8(ascii: "1")...UInt8(ascii: "5")).contains(bytes[0]),
        status.hasSuffix("xx") || (bytes[1].isDigit && bytes[2].isDigit)
      else { throw SimplonError(.toolInput, "\"expect\" must hold statuses such as 200 or 2xx") }
    }
  }

  func holds(_ status: Int) -> Bool {
    statuses.isEmpty || statuses.contains(String(status)) || statuses.contains("\(status / 100)xx")
  }
}
