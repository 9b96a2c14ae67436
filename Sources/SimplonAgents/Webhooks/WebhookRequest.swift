package import SimplonCore

/// A webhook as its owner makes it, or what shall change about one.
package struct WebhookRequest: Sendable {
  /// What a webhook can be told.
  package static let events = ["run.completed", "run.failed", "run.waiting", "run.cancelled"]

  let json: JSON
  /// Where deliveries go.
  let url: EgressURL?

  /// Reads a request body.
  ///
  /// - Parameters:
  ///   - json: the body.
  ///   - isNew: whether it makes a webhook, which takes a URL and events.
  /// - Throws: `request.invalid`, `request.unknown_field`, `request.too_large`.
  package init(json: JSON, isNew: Bool) throws(SimplonError) {
    var reader = try MemberReader(json)
    try reader.text("url", upTo: 2048)
    try reader.text("description", upTo: 4096)
    let events = try reader.takeStrings("events")
    let enabled = try isNew ? nil : reader.takeBool("enabled")
    var members = try reader.finish().object ?? [:]
    for (name, isThere) in [("url", members["url"] != nil), ("events", events != nil)] where isNew && !isThere {
      throw SimplonError(.requestInvalid, "\"\(name)\" of the request is missing", details: ["field": .string(name)])
    }
    if let events {
      guard !events.isEmpty, Set(events).count == events.count, events.allSatisfy(Self.events.contains) else {
        throw SimplonError(
          .requestInvalid, "\"events\" must be of: \(Self.events.joined(separator: ", ")); each once",
          details: ["field": "events"])
      }
      members["events"] = .array(events.map(JSON.string))
    }
    members["enabled"] = enabled.map(JSON.bool)
    if let text = members["url"]?.string { url = try Self.read(text) } else { url = nil }
    self.json = .object(members)
  }

  private static func read(_ text: String) throws(SimplonError) -> EgressURL {
    do {
      return try EgressURL(text)
    } catch {
      throw SimplonError(.requestInvalid, error.message, hint: error.hint, details: ["field": "url"])
    }
  }

  /// Refuses a URL of an address that deliveries do not go to; what a name stands for is looked at in each attempt.
  ///
  /// - Throws: `request.invalid`.
  func check(allowsPrivate: Bool) throws(SimplonError) {
    guard let url, let address = url.address else { return }
    let verdict = AddressRules.verdict(on: address)
    guard verdict == .open || verdict == .inside && allowsPrivate else {
      throw SimplonError(
        .requestInvalid, "\"url\" is at an address that no webhook may be at", hint: "Name a host on the internet.",
        details: ["field": "url"])
    }
  }
}
