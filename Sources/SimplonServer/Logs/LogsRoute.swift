import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore
import SimplonAgents
import SimplonCore
import SimplonIdentity

extension Route {
  /// What the number of an event may be: what a JSON number holds exactly everywhere.
  private static let numbers = 0...(1 << 53)

  /// `/agent/logs`: a run's events, once (`mode=poll`) or as they come (`mode=stream`).
  static func logs(
    _ runs: Runs, _ streams: LogStreams, _ configuration: ServerConfiguration, _ metrics: StreamMetrics
  ) -> Route {
    Route(
      path: "/agent/logs", functionPath: "/functions/v1/agent-logs", name: "getLogs", tag: "Logs",
      summary: "Gives a run's events, once or as a stream of server-sent events",
      shapes: [
        Shape(
          name: "LogsQuery",
          fields: [
            Field(name: "run_id", kind: .uuid, isRequired: true, summary: "the run"),
            Field(name: "mode", kind: .choice(["poll", "stream"]), summary: "poll by default"),
            Field(name: "after", kind: .integer(numbers), summary: "only events with a greater `seq`; 0 by default"),
            Field(name: "limit", kind: .integer(1...1000), summary: "poll: the most events; 100 by default"),
            Field(
              name: "level", kind: .choice(["debug", "info", "warn", "error"]), summary: "poll: the least level"),
            Field(name: "ticket", kind: .text(maximum: 256), summary: "stream: instead of a token"),
          ])
      ],
      headers: [
        Field(
          name: "Last-Event-ID", kind: .integer(numbers), summary: "stream: the last `seq` seen; beats `after`")
      ],
      answers: [
        Answer(status: 200, summary: "poll: the events", schema: Schema.reference("LogPage")),
        Answer(
          status: 200,
          summary: "stream: events `log`, `step`, `status`, `message`, `artifact`, `done`, each with the "
            + "`seq` as `id` and a LogEvent as `data`; `reconnect` when the server stops or the events are gone, `expired` when the token does",
          media: "text/event-stream",
          // OpenAPI 3.1 has no word for the parts of a stream; readers of it take this for one event.
          schema: [
            "type": "object", "required": ["data"],
            "properties": ["id": ["type": "string"], "event": ["type": "string"], "data": ["type": "string"]],
          ]),
        Answer(status: 204, summary: "stream: the run is finished and everything was seen"),
      ],
      handler: .callerOrTicket { call, principal in
        let run = try call.uuid("run_id")
        guard call.string("mode") == "stream" else { return try await poll(run, call, principal, runs) }
        for name in ["limit", "level"] where call.fields[name] != nil {
          throw SimplonError(.requestInvalid, "\"\(name)\" is for mode=poll", details: ["field": .string(name)])
        }
        let after = try lastEventID(call.request.headers[.lastEventID]) ?? Int64(call.integer("after") ?? 0)
        guard let position = try await runs.authorizeStream(of: run, after: after, as: principal) else {
          return Response(status: .noContent)
        }
        return EventStream(
          events: streams.subscribe(to: run, after: position), expiresAt: principal.expiresAt,
          configuration: configuration,
          metrics: metrics
        ).response(on: call.context)
      })
  }

  private static func poll(_ run: UUID, _ call: Call, _ principal: Principal, _ runs: Runs) async throws -> Response {
    guard principal.source != .ticket else {
      throw SimplonError(.authTicket, "a ticket opens a stream only", hint: "poll with a token")
    }
    let after = Int64(call.integer("after") ?? 0)
    let events = try await runs.logs(
      of: run, after: after, limit: call.integer("limit") ?? 100, level: call.string("level"), as: principal)
    var body = ByteBuffer()
    body.writeStaticString("{\"logs\":[")
    for (index, event) in events.enumerated() {
      if index > 0 { body.writeStaticString(",") }
      event.writeJSON(to: &body)
    }
    body.writeString("],\"next_after\":\(events.last?.seq ?? after)}")
    return .json(body)
  }

  private static func lastEventID(_ header: String?) throws(SimplonError) -> Int64? {
    guard let header, !header.isEmpty else { return nil }
    guard let seq = Int(header), numbers.contains(seq) else {
      throw SimplonError(
        .requestInvalid, "the header Last-Event-ID must be the `id` of an event", details: ["field": "Last-Event-ID"])
    }
    return Int64(seq)
  }
}
