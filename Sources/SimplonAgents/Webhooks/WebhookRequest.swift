package import SimplonCore

/// A webhook as its owner makes it, or what shall change about one.
package struct WebhookRequest: Sendable {
  /// What a webhook can be told.
  package static let events = ["run.completed", "run.failed", "run.waiting", "run.cancelled"]

  /// What it holds.
  ///
  /// - Parameter isNew: whether it makes a webhook, which takes a URL and events.
  /// - Returns: the fields.
  package static func fields(isNew: Bool) -> [Field] {
    let fields = [
      Field(
        name: "url", kind: .text(minimum: 1, maximum: 2048), isRequired: isNew,
        summary: "where deliveries are posted to"),
      Field(
        name: "events", kind: .texts, isRequired: isNew, summary: "what it is told: " + events.joined(separator: ", ")),
      Field(name: "description", kind: .text(minimum: 1, maximum: 4096), summary: "what it is for"),
    ]
    let enabled = Field(
      name: "enabled", kind: .boolean, summary: "false makes it rest, and forgets what it was not told yet")
    return isNew ? fields : fields + [enabled]
  }

  let json: JSON
  /// Where deliveries go.
  let url: EgressURL?

  /// Reads a request body.
  ///
  /// - Parameters:
  ///   - json: the body.
  ///   - isNew: whether it makes a webhook.
  /// - Throws: `request.invalid`, `request.unknown_field`, `request.too_large`.
  package init(json: JSON, isNew: Bool) throws(SimplonError) {
    let members = try Self.fields(isNew: isNew).read(json)
    if let events = members["events"]?.array?.compactMap(\.string) {
      guard !events.isEmpty, Set(events).count == events.count, events.allSatisfy(Self.events.contains) else {
        throw SimplonError(
          .requestInvalid, "\"events\" must be of: \(Self.events.joined(separator: ", ")); each once",
          details: ["field": "events"])
      }
    }
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
