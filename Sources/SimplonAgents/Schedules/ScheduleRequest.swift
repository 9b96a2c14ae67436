package import SimplonCore

extension Field {
  /// The name of a schedule.
  package static let scheduleName = Field(
    name: "name", kind: .name, isRequired: true, summary: "the schedule's name")
}

/// A schedule as its owner saves it, or what shall change about one.
package struct ScheduleRequest: Sendable {
  /// What one does about times that were missed.
  package static let missedPolicies = ["skip", "once", "all"]
  /// What one does while the run before has not ended.
  package static let overlapPolicies = ["skip", "allow", "replace"]

  /// What it holds.
  ///
  /// - Parameter isNew: whether it makes a schedule, which takes a name, a rhythm and what to run.
  /// - Returns: the fields.
  package static func fields(isNew: Bool) -> [Field] {
    let fields = [
      Field(
        name: "cron", kind: .text(maximum: 1000),
        summary: "minute, hour, day of the month, month, day of the week, such as `0 9 * * mon-fri`; this or `every`"),
      Field(name: "every", kind: .text(maximum: 20), summary: "a time such as `15m`, from 10s to 365d; this or `cron`"),
      Field(
        name: "time_zone", kind: .text(minimum: 1, maximum: 200),
        summary: "whose clock `cron` goes by, such as `Europe/Zurich`; UTC by default"),
      Field(
        name: "run", kind: .object(), isRequired: isNew,
        summary: "what `create` takes: a prompt, a plan or a workflow with inputs, and what goes with them"),
      Field(
        name: "missed", kind: .choice(missedPolicies),
        summary: "what becomes of times that were missed by more than a minute: none (the default), one run for all, "
          + "or one for each, up to 100"),
      Field(
        name: "overlap", kind: .choice(overlapPolicies),
        summary: "what to do while the run before has not ended: nothing (the default), a run beside it, or one that "
          + "takes its place"),
      Field(name: "starts_at", kind: .time, summary: "not due before; with `every` the first time"),
      Field(name: "ends_at", kind: .time, summary: "not due after"),
      Field(name: "enabled", kind: .boolean, summary: "false makes it rest; true by default"),
    ]
    return isNew ? [Field.scheduleName] + fields : fields
  }

  /// The members that go to the database as they are.
  let json: JSON
  /// What to run.
  let run: CreateRun?

  /// Reads a request body.
  ///
  /// - Parameters:
  ///   - json: the body.
  ///   - isNew: whether it makes a schedule.
  /// - Throws: `request.invalid`, `request.unknown_field`, `request.too_large`.
  package init(json: JSON, isNew: Bool) throws(SimplonError) {
    var members = try Self.fields(isNew: isNew).read(json)
    let cron = members["cron"]?.string
    let every = members.removeValue(forKey: "every")?.string
    if let json = members.removeValue(forKey: "run") { run = try CreateRun(json: json) } else { run = nil }
    guard (cron == nil || every == nil) && (!isNew || (cron ?? every) != nil) else {
      throw SimplonError(.requestInvalid, "give one of \"cron\" and \"every\"", details: ["field": "cron"])
    }
    guard run?.start != false else {
      throw SimplonError(
        .requestInvalid, "\"start\" of \"run\" must be left out: a schedule's runs start", details: ["field": "run"])
    }
    if let cron { members["fields"] = try Cron(cron).json }
    if let every { members["every_seconds"] = .integer(try Self.seconds(every)) }
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
