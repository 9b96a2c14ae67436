import Hummingbird
import SimplonAgents
import SimplonCore

extension Route {
  /// `/agent/logs/ticket`: trades a token for a ticket, which a browser's `EventSource` can carry.
  static func ticket(_ runs: Runs) -> Route {
    Route(
      path: "/agent/logs/ticket", isSafe: false, name: "createTicket", tag: "Logs",
      summary: "Gives a ticket that opens one run's stream, for callers that cannot send headers",
      shapes: [
        Shape(name: "TicketRequest", fields: [Field(name: "run_id", kind: .uuid, isRequired: true, summary: "the run")])
      ],
      answers: [Answer(status: 200, summary: "the ticket, to be used within 60 s", schema: Schema.reference("Ticket"))],
      handler: .caller { call, principal in
        let ticket = try await runs.issueTicket(for: call.uuid("run_id"), as: principal)
        return .json(["ticket": .string(ticket.ticket), "expires_at": .string(ticket.expiresAt)])
      })
  }
}
