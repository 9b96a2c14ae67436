import HTTPTypes
import Hummingbird
import SimplonAgents

extension Route {
  /// `GET /api/v1/schedules/{name}`: one schedule.
  static func schedule(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/schedules/{name}", methods: [.get], name: "getSchedule", tag: "Schedules",
      summary: "Shows a schedule: when it is due next, and what came of the last time",
      shapes: [Shape(name: "ScheduleQuery", fields: [.scheduleName])],
      answers: [Answer(status: 200, summary: "the schedule", schema: Schema.reference("Schedule"))],
      handler: .caller { call, principal in
        .json(text: try await registry.schedule(call.string("name") ?? "", as: principal))
      })
  }

  /// `PATCH /api/v1/schedules/{name}`: changes one.
  static func changeSchedule(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/schedules/{name}", methods: [.patch], isSafe: false, name: "changeSchedule", tag: "Schedules",
      summary: "Changes what is sent; what was missed before is not made up",
      shapes: [Shape(name: "ChangeSchedule", fields: [Field.scheduleName] + ScheduleRequest.fields(isNew: false))],
      answers: [Answer(status: 200, summary: "the schedule", schema: Schema.reference("Schedule"))],
      handler: .caller { call, principal in
        let request = try ScheduleRequest(json: call.body(without: "name"), isNew: false)
        return .json(text: try await registry.change(call.string("name") ?? "", request, as: principal))
      })
  }

  /// `DELETE /api/v1/schedules/{name}`: deletes one.
  static func deleteSchedule(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/schedules/{name}", methods: [.delete], isSafe: false, name: "deleteSchedule", tag: "Schedules",
      summary: "Deletes a schedule; its runs stay",
      shapes: [Shape(name: "DeleteSchedule", fields: [.scheduleName])],
      answers: [Answer(status: 204, summary: "it is gone")],
      handler: .caller { call, principal in
        try await registry.deleteSchedule(call.string("name") ?? "", as: principal)
        return Response(status: .noContent)
      })
  }
}
