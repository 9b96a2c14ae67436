import HTTPTypes
import Hummingbird
import SimplonAgents
import SimplonCore

extension Route {
  /// `GET /api/v1/system-health`: how the system has been.
  static func systemHealth(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/system-health", methods: [.get], name: "listReadings", tag: "Registry",
      summary: "Lists readings of the system's health over the last hours, the newest first",
      shapes: [
        Shape(
          name: "ReadingListQuery",
          fields: [
            Field(name: "component", kind: .name, summary: "only of this part"),
            Field(name: "status", kind: .choice(AgentWords.health), summary: "only those that say so"),
            .lastHours, .limit, .cursor,
          ])
      ],
      answers: [Answer(status: 200, summary: "the readings", schema: Schema.reference("ReadingList"))],
      handler: .caller { call, principal in .json(text: try await registry.health(ListQuery(call), as: principal)) })
  }

  /// `POST /api/v1/system-health`: how a part of the system is.
  static func recordHealth(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/system-health", methods: [.post], isSafe: false, name: "recordHealth", tag: "Registry",
      summary: "Takes a reading of how a part of the system is, from the service alone",
      shapes: [Shape(name: "RecordHealth", fields: HealthReading.fields)],
      answers: [Answer(status: 201, summary: "the reading", schema: Schema.reference("Reading"))],
      handler: .caller { call, principal in
        let reading = try HealthReading(json: .object(call.fields))
        return .json(text: try await registry.record(reading, as: principal), status: .created)
      })
  }
}
