import SimplonCore
import Testing

@testable import SimplonPostgres

@Suite(.timeLimit(.minutes(1))) struct NotificationTests {
  @Test func `notifications arrive in order and after a break one is told`() async throws {
    try await withClient { client in
      let channel = "we\"ird Name"
      let notifications = client.listen(to: [channel, "other"]).makeAsyncIterator()
      #expect(try await notifications.next() == .mayHaveMissed)
      for number in 0..<3 { try await client.query("select pg_notify(\(channel), \(String(number)))") }
      try await client.query("notify other")
      for number in 0..<3 {
        #expect(try await notifications.next() == .notification(channel: channel, payload: String(number)))
      }
      #expect(try await notifications.next() == .notification(channel: "other", payload: ""))

      try await client.query(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where query ilike 'listen \"other\"'")
      #expect(try await notifications.next() == .mayHaveMissed)
      try await client.query("notify other, 'again'")
      #expect(try await notifications.next() == .notification(channel: "other", payload: "again"))
    }
  }

  @Test func `a listener that goes away gives its connection up`() async throws {
    try await withClient({ $0.applicationName = "leaving" }) { client in
      func connections() async throws -> Int {
        try await client.query("select from pg_stat_activity where application_name = 'leaving'").count
      }
      try await client.query("select 1")
      do {
        let notifications = client.listen(to: ["leaving"]).makeAsyncIterator()
        _ = try await notifications.next()
        while try await connections() < 3 {}
      }
      while try await connections() > 2 {}
    }
  }

  @Test func `a channel that the server refuses is an error`() async throws {
    try await withClient { client in
      let notifications = client.listen(to: [""]).makeAsyncIterator()
      await expect(.databaseQuery) { _ = try await notifications.next() }
    }
  }

  @Test func `a cancelled reader is released`() async throws {
    try await withClient { client in
      let reader = Task {
        for try await _ in client.listen(to: ["silence"]) {}
      }
      reader.cancel()
      await #expect(throws: CancellationError.self) { try await reader.value }
    }
  }

  @Test func `the sequence ends with the client`() async throws {
    let notifications = try await withClient { client in
      let notifications = client.listen(to: ["ending"])
      let iterator = notifications.makeAsyncIterator()
      _ = try await iterator.next()
      return notifications
    }
    let iterator = notifications.makeAsyncIterator()
    #expect(try await iterator.next() == nil)
  }

  @Test func `behind a pooler one is told where to listen`() async throws {
    try await withClient({ $0.pooler = true }) { client in
      let notifications = client.listen(to: ["x"]).makeAsyncIterator()
      let error = await expect(.databaseUnavailable) { _ = try await notifications.next() }
      #expect(error?.hint?.contains("DATABASE_DIRECT_URL") == true)
    }
  }

  @Test func `a slow reader loses its mail and is told so`() async throws {
    let mailbox = Mailbox(capacity: 3)
    for number in 0..<5 { mailbox.put(.notification(channel: "c", payload: String(number))) }
    mailbox.finish(nil)
    #expect(try await mailbox.next() == .mayHaveMissed)
    #expect(try await mailbox.next() == .notification(channel: "c", payload: "4"))
    #expect(try await mailbox.next() == nil)
  }
}
