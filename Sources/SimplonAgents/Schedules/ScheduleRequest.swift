package import SimplonCore

/// A schedule as its owner saves it, or what shall change about one.
package struct ScheduleRequest: Sendable {
  /// What one does about times that were missed.
  package static let missedPolicies = ["skip", "once", "all"]
  /// What one does while the run before has not ended.
  package static let overlapPolicies = ["skip", "allow", "replace"]

  /// The members that go to the database as they are.
  let json: JSON
  /// What to run.
  let run: CreateRun?

  /// Reads a request body.
  ///
  /// - Parameters:
  ///   - json: the body.
  ///   - isNew: whether it makes a schedule, which takes a name, a rhythm and what to run.
  /// - Throws: `request.invalid`, `request.unknown_field`, `request.too_large`.
  package init(json: JSON, isNew: Bool) throws(SimplonError) {
    var reader = try MemberReader(json)
    if isNew { try reader.name("name", isRequired: true) }
    try reader.text("time_zone", upTo: 200)
    try reader.word("missed", of: Self.missedPolicies)
    try reader.word("overlap", of: Self.overlapPolicies)
    let cron = try reader.takeString("cron")
    let every = try reader.takeString("every")
    let enabled = try reader.takeBool("enabled")
    if let json = reader.take("run") { run = try CreateRun(json: json) } else { run = nil }
    for name in ["starts_at", "ends_at"] { try reader.time(name, isRequired: false) }
    var members = try reader.finish().object ?? [:]

    guard (cron == nil || every == nil) && (!isNew || (cron ?? every) != nil) else {
      throw SimplonError(.requestInvalid, "give one of \"cron\" and \"every\"", details: ["field": "cron"])
    }
    guard run != nil || !isNew else {
      throw SimplonError(.requestInvalid, "\"run\" of the request is missing", details: ["field": "run"])
    }
    guard run?.start != false else {
      throw SimplonError(
        .requestInvalid, "\"start\" of \"run\" must be left out: a schedule's runs start", details: ["field": "run"])
    }
    if let cron {
      members["cron"] = .string(cron)
      members["fields"] = try Cron(cron).json
    }
    if let every {
      let seconds = try Self.seconds(every)
      members["every_seconds"] = .integer(seconds)
    }
    members["enabled"] = enabled.map(JSON.bool)
    self.json = .object(members)
  }

  private static func seconds(_ text: String) throws(SimplonError) -> Int64 {
    let range = Duration.seconds(10)...(.seconds(31_536_000))
    guard let time = Duration(parsing: text), range.contains(time), time.milliseconds % 1000 == 0 else {
      throw SimplonError(
        .requestInvalid, "\"every\" must be a time in whole seconds such as \"15m\", from 10s to 365d",
        details: ["field": "every"])
    }
    return time.milliseconds / 1000
  }
}
