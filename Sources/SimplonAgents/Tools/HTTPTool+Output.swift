import SimplonCore

extension HTTPTool {
  /// `{status, headers, truncated}` and what the body is: `json`, or `body` as text, or `body_blob` with what is no text.
  func output(of response: EgressResponse, _ call: ToolCall) async throws -> JSON {
    let limit = call.input["max_bytes"]?.integer ?? Self.usualBytes
    let isTruncated = response.body.count > limit
    var output: [String: JSON] = [
      "status": .integer(response.status), "headers": Self.headers(response), "truncated": .bool(isTruncated),
    ]
    if !isTruncated, Self.isJSON(response), let json = Self.json(response.body) {
      output["json"] = json
    } else {
      let text = SafeText(response.body.prefix(SafeText.cut(response.body, at: limit)))
      if text.damaged {
        output["body_blob"] = .string(try await blobs.put(Array(response.body.prefix(limit)), for: call.userID).sha256)
      } else {
        output["body"] = .string(text.text)
      }
    }
    return .object(output)
  }

  /// By lower-case names, those that stand several times joined as the standard says; cookies cannot be, and are a list.
  ///
  /// - Source: RFC 9110 §5.3.
  private static func headers(_ response: EgressResponse) -> JSON {
    var members = [String: JSON]()
    for (name, value) in response.headers {
      let value = SafeText(Array(value.utf8)).text
      if name == "set-cookie" {
        members[name] = .array((members[name]?.array ?? []) + [.string(value)])
      } else {
        members[name] = .string(members[name]?.string.map { "\($0), \(value)" } ?? value)
      }
    }
    return .object(members)
  }

  private static func isJSON(_ response: EgressResponse) -> Bool {
    let type = (response.first("content-type") ?? "").lowercased().prefix { $0 != ";" }.filter { $0 != " " }
    return type == "application/json" || type.hasSuffix("+json")
  }

  /// The value, when it can be handed on as part of a step's output.
  private static func json(_ body: [UInt8]) -> JSON? { try? JSON(parsing: body, depth: SizeLimit.levels - 2) }
}

extension EgressResponse {
  /// Makes texts unreadable wherever they stand, without moving anything.
  mutating func hide(_ secrets: [String]) {
    for secret in secrets {
      let stars = String(repeating: "*", count: secret.utf8.count)
      body = body.replacing(Array(secret.utf8), with: Array(stars.utf8))
      for index in headers.indices { headers[index].value = headers[index].value.replacing(secret, with: stars) }
    }
  }
}

extension JSON {
  /// The value with these texts made unreadable in all of its strings: JSON can write them in ways that bytes do not show.
  func hiding(_ secrets: [String]) -> JSON {
    func plain(_ text: String) -> String {
      secrets.reduce(text) { $0.replacing($1, with: String(repeating: "*", count: $1.utf8.count)) }
    }
    switch self {
    case .string(let text): return .string(plain(text))
    case .array(let items): return .array(items.map { $0.hiding(secrets) })
    case .object(let members):
      return .object(
        Dictionary(members.map { (plain($0), $1.hiding(secrets)) }, uniquingKeysWith: { first, _ in first }))
    case .null, .bool, .number: return self
    }
  }
}
