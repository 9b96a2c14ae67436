import Testing

@testable import SimplonIdentity

@Suite struct TicketTests {
  @Test func `a ticket comes back from its text with the same hash`() throws {
    var generator = SystemRandomNumberGenerator()
    let ticket = Ticket(using: &generator)
    #expect(ticket.token.hasPrefix("tkt_"))
    #expect(ticket.token.utf8.count == 47)
    #expect(ticket.hash.count == 32)
    #expect(try #require(Ticket(parsing: ticket.token)).hash == ticket.hash)
    #expect(Ticket(using: &generator).hash != ticket.hash)
  }

  @Test func `the hash is the SHA-256 of the text`() throws {
    let ticket = try #require(Ticket(parsing: "tkt_" + String(repeating: "A", count: 43)))
    #expect(
      ticket.hash.map { String($0, radix: 16) }.joined(separator: " ")
        == "c0 7f 77 43 59 9d c7 6a 3b a7 ee d6 52 8 93 b7 56 7e f6 5b 61 c6 a6 4a 86 18 ea fc b0 ad f9 86")
  }

  @Test(arguments: [
    "", "tkt_", "AAAA", "tkt_" + String(repeating: "A", count: 42), "tkt_" + String(repeating: "A", count: 44),
    "tkt_" + String(repeating: "A", count: 42) + "B", "TKT_" + String(repeating: "A", count: 43),
  ])
  func `what cannot be a ticket is none`(_ text: String) { #expect(Ticket(parsing: text) == nil) }

  @Test(arguments: [
    ("GET /agent/logs?run_id=1&ticket=tkt_abc-_9&mode=stream", "GET /agent/logs?run_id=1&ticket=redacted&mode=stream"),
    ("/x?TICKET=abc", "/x?TICKET=redacted"),
    ("/x?ticket=", "/x?ticket=redacted"),
    ("/x?%74icket=tkt_abc", "/x?%74icket=redacted"),
    ("/x?ticket=%74kt_abc&y=1", "/x?ticket=redacted&y=1"),
    ("/x?apikey=sb_secret_abc&access_token=a.b.c#f", "/x?apikey=redacted&access_token=redacted#f"),
    ("the key sb_secret_abc, the ticket \"tkt_abc\"", "the key redacted, the ticket \"redacted\""),
    ("ticket=tkt_a ticket=tkt_b", "ticket=redacted ticket=redacted"),
    ("tickets=3 für é", "tickets=3 für é"),
    ("", ""),
  ])
  func `tickets and keys are taken out of a line`(_ line: String, _ clean: String) {
    #expect(Ticket.redact(line) == clean)
  }
}
