import HTTPTypes
import Hummingbird
import SimplonAgents
import SimplonCore

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
      shapes: [Shape(name: "SaveSchedule", fields: ScheduleRequest.fields(isNew: true))],
      answers: [Answer(status: 201, summary: "the schedule", schema: Schema.reference("Schedule"))],
      handler: .caller { call, principal in
        let request = try ScheduleRequest(json: .object(call.fields), isNew: true)
        return .json(text: try await registry.save(request, as: principal), status: .created)
      })
  }
}
