import HTTPTypes
import Hummingbird
import SimplonAgents
import SimplonCore

extension Field {
  static let scheduleName = Field(name: "name", kind: .name, isRequired: true, summary: "the schedule's name")

  /// When a schedule is due and what it then does, with what it runs required or not.
  static func schedule(isNew: Bool) -> [Field] {
    [
      Field(
        name: "cron", kind: .text(maximum: 1000),
        summary: "minute, hour, day of the month, month, day of the week, such as `0 9 * * mon-fri`; this or `every`"),
      Field(name: "every", kind: .text(maximum: 20), summary: "a time such as `15m`, from 10s to 365d; this or `cron`"),
      Field(
        name: "time_zone", kind: .text(maximum: 200),
        summary: "whose clock `cron` goes by, such as `Europe/Zurich`; UTC by default"),
      Field(
        name: "run", kind: .object(), isRequired: isNew,
        summary: "what `create` takes: a prompt, a plan or a workflow with inputs, and what goes with them"),
      Field(
        name: "missed", kind: .choice(ScheduleRequest.missedPolicies),
        summary: "what becomes of times that were missed by more than a minute: none (the default), one run for all, "
          + "or one for each, up to 100"),
      Field(
        name: "overlap", kind: .choice(ScheduleRequest.overlapPolicies),
        summary: "what to do while the run before has not ended: nothing (the default), a run beside it, or one that "
          + "takes its place"),
      Field(name: "starts_at", kind: .time, summary: "not due before; with `every` the first time"),
      Field(name: "ends_at", kind: .time, summary: "not due after"),
      Field(name: "enabled", kind: .boolean, summary: "false makes it rest; true by default"),
    ]
  }
}

extension Route {
  /// `GET /api/v1/schedules`: the caller's schedules.
  static func schedules(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/schedules", methods: [.get], name: "listSchedules", tag: "Schedules",
      summary: "Lists the caller's schedules, the last one first",
      shapes: [Shape(name: "ScheduleListQuery", fields: [.limit, .cursor])],
      answers: [Answer(status: 200, summary: "the schedules", schema: Schema.reference("ScheduleList"))],
      handler: .caller { call, principal in .json(text: try await registry.schedules(ListQuery(call), as: principal)) })
  }

  /// `POST /api/v1/schedules`: saves one.
  static func saveSchedule(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/schedules", methods: [.post], isSafe: false, name: "saveSchedule", tag: "Schedules",
      summary: "Says what shall run for the caller, and when",
      shapes: [Shape(name: "SaveSchedule", fields: [Field.scheduleName] + Field.schedule(isNew: true))],
      answers: [Answer(status: 201, summary: "the schedule", schema: Schema.reference("Schedule"))],
      handler: .caller { call, principal in
        let request = try ScheduleRequest(json: .object(call.fields), isNew: true)
        return .json(text: try await registry.save(request, as: principal), status: .created)
      })
  }
}
