import FoundationEssentials
import SimplonCore
import SimplonIdentity
import Synchronization
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1))) struct WebhookTests {
  /// Makes a webhook of the caller's; gives its id and its secret.
  @discardableResult
  func save(
    _ engine: Engine, _ url: String, events: JSON = ["run.cancelled"], as caller: Principal = Engine.alice
  ) async throws -> (id: UUID, secret: String) {
    let registry = Registry(
      callers: engine.callers, statementTimeout: .seconds(10), runs: engine.runs, webhooksAllowPrivate: true)
    let body: JSON = ["url": .string(url), "events": events]
    let made = try await JSON(parsing: registry.save(WebhookRequest(json: body, isNew: true), as: caller))
    return (
      try #require(made["webhook_id"]?.string.flatMap { UUID(uuidString: $0) }), try #require(made["secret"]?.string)
    )
  }

  /// A run of the caller's that was stopped.
  @discardableResult
  func stopped(_ engine: Engine, as caller: Principal = Engine.alice) async throws -> UUID {
    let run = try await engine.create([["id": "a", "tool": "noop"]], as: caller, start: false)
    _ = try await engine.runs.act(.stop, on: run, as: caller)
    return run
  }

  func deliver(_ engine: Engine, allowsPrivate: Bool = true) async throws {
    try await WebhookSender(client: engine.client, allowsPrivate: allowsPrivate).deliver()
  }

  private func deliveries(_ engine: Engine, of webhook: UUID) async throws -> [JSON] {
    let text = try await engine.registry.deliveries(of: webhook, ListQuery(), as: Engine.alice)
    return try JSON(parsing: text)["deliveries"]?.array ?? []
  }

  @Test func `a delivery is signed as the standard says`() {
    let headers = WebhookSignature.headers(
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek", seconds: 1_614_265_330, body: #"{"test": 2432232314}"#,
      secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    #expect(
      headers.map(\.value) == [
        "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
      ])
    var generator = SystemRandomNumberGenerator()
    let secret = WebhookSignature.newSecret(using: &generator)
    #expect(secret.hasPrefix("whsec_") && Data(base64Encoded: String(secret.dropFirst(6)))?.count == 32)
  }

  @Test func `what becomes of a run is told once, signed, to its owner's webhooks`() async throws {
    try await Engine.with { engine in
      let server = CannedServer([CannedServer.answer("204 No Content")])
      let (webhook, secret) = try await save(engine, server.url("127.0.0.1", "/hook"))
      try await save(engine, server.url(), events: ["run.failed"])
      try await save(engine, server.url(), as: Engine.bob)
      let run = try await stopped(engine)
      try await deliver(engine)
      try await deliver(engine)
      let requests = server.requests.withLock { $0 }
      #expect(requests.count == 1)
      let request = try #require(requests.first)
      let end = try #require(request.firstRange(of: "\r\n\r\n"))
      let (head, body) = (request[..<end.lowerBound], String(request[end.upperBound...]))
      var headers = [String: String]()
      for line in head.split(separator: "\r\n").dropFirst() {
        let parts = line.split(separator: ":", maxSplits: 1)
        headers[parts[0].lowercased()] = parts.dropFirst().first.map { String($0.dropFirst()) }
      }
      #expect(request.hasPrefix("POST /hook HTTP/1.1\r\n") && headers["content-type"] == "application/json")
      let id = try #require(headers["webhook-id"])
      let seconds = try #require(headers["webhook-timestamp"].flatMap { Int64($0) })
      let signed = WebhookSignature.headers(id: id, seconds: seconds, body: body, secret: secret)
      #expect(signed.last?.value == headers["webhook-signature"])
      let payload = try JSON(parsing: body)
      #expect(payload["type"] == "run.cancelled" && payload["timestamp"]?.string != nil)
      #expect(payload["data"]?["run_id"]?.string == run.uuidString.lowercased())
      #expect(payload["data"]?["status"] == "cancelled")
      let told = try await deliveries(engine, of: webhook)
      #expect(told.count == 1 && told.first?["status"] == "delivered" && told.first?["delivery_id"]?.string == id)
      #expect(told.first?["response_status"] == 204 && told.first?["payload"] == payload)
      let all = try await engine.database.execute("select count(*) from agent_webhook_deliveries")
      #expect(all == ["1"])
    }
  }

  @Test(arguments: ["500 Internal Server Error", "302 Found"])
  func `what was not taken is tried again later, and is redelivered under its id`(_ status: String) async throws {
    try await Engine.with { engine in
      let server = CannedServer([
        CannedServer.answer(status, "Location: http://127.0.0.1:1/"), CannedServer.answer("200 OK"),
        CannedServer.answer("200 OK"),
      ])
      let webhook = try await save(engine, server.url()).id
      try await stopped(engine)
      try await deliver(engine)
      let first = try #require(try await deliveries(engine, of: webhook).first)
      #expect(first["status"] == "pending" && first["attempts"] == 1 && first["error"]?.string != nil)
      try await deliver(engine)
      #expect(server.requests.withLock { $0.count } == 1, "its time has not come")
      try await engine.database.execute("update agent_webhook_deliveries set next_attempt_at = now()")
      try await deliver(engine)
      let second = try #require(try await deliveries(engine, of: webhook).first)
      #expect(second["status"] == "delivered" && second["attempts"] == 2)
      let delivery = try #require(second["delivery_id"]?.string.flatMap { UUID(uuidString: $0) })
      try await engine.registry.redeliver(delivery, of: webhook, as: Engine.alice)
      try await deliver(engine)
      let requests = server.requests.withLock { $0 }
      #expect(requests.count == 3)
      let id = "webhook-id: \(delivery.uuidString.lowercased())"
      #expect(requests.allSatisfy { $0.lowercased().contains(id) })
      await expectError(.webhookNotFound) {
        try await engine.registry.redeliver(delivery, of: webhook, as: Engine.bob)
      }
      await expectError(.webhookNotFound) {
        try await engine.registry.redeliver(UUID(), of: webhook, as: Engine.alice)
      }
    }
  }

  @Test func `after a day a delivery is given up, and after ten of them its webhook, which the audit log tells`()
    async throws
  {
    try await Engine.with { engine in
      let server = CannedServer(Array(repeating: CannedServer.answer("500 Internal Server Error"), count: 11))
      let webhook = try await save(engine, server.url()).id
      for _ in 0..<11 { try await stopped(engine) }
      try await engine.database.execute(
        """
        update agent_webhook_deliveries set since = now() - interval '25 hours'
        where id <> (select max(id::text)::uuid from agent_webhook_deliveries)
        """)
      for number in 0..<10 {
        #expect(try await engine.database.execute("select enabled from agent_webhooks") == ["t"], "\(number)")
        try await engine.database.execute(
          """
          update agent_webhook_deliveries set next_attempt_at = now() where id = (
            select id from agent_webhook_deliveries
            where status = 'pending' and since < now() - interval '1 day' limit 1);
          update agent_webhook_deliveries set next_attempt_at = now() + interval '1 hour'
          where status = 'pending' and next_attempt_at <> now()
          """)
        try await deliver(engine)
      }
      let seen = try await JSON(parsing: engine.registry.webhook(webhook, as: Engine.alice))
      #expect(seen["enabled"] == false && seen["failures"] == 10)
      let statuses = try await engine.database.execute("select distinct status from agent_webhook_deliveries")
      #expect(statuses == ["failed"])
      let audit = try await engine.database.execute(
        "select changed, actor_id from observability_events where event = 'webhook.changed'")
      #expect(audit == ["{enabled}"])
      try await stopped(engine)
      #expect(try await deliveries(engine, of: webhook).count == 11)
      let change: JSON = ["enabled": true]
      _ = try await engine.registry.change(webhook, WebhookRequest(json: change, isNew: false), as: Engine.alice)
      try await stopped(engine)
      #expect(try await deliveries(engine, of: webhook).count == 12)
    }
  }

  @Test(arguments: [(0, "error metadata result"), (1, "")])
  func `what is large is not copied into each delivery`(_ beyond: Int, _ told: String) async throws {
    try await Engine.with { engine in
      try await save(engine, "https://a.example/", events: ["run.failed"])
      // With the braces, a name and quotation marks it is 8 KiB, and 64 KiB.
      try await engine.database.execute(
        """
        insert into agent_runs (user_id, prompt, metadata)
          select user_id, 'x', jsonb_build_object('x', repeat('x', 8183 + \(beyond))) from agent_webhooks;
        update agent_runs set status = 'failed', completed_at = now(),
          error = jsonb_build_object('x', repeat('x', 65527 + \(beyond))),
          result = jsonb_build_object('x', repeat('x', 65527 + \(beyond)))
        """)
      let found = try await engine.database.execute(
        """
        select coalesce(string_agg(d.key, ' ' order by d.key), '')
        from agent_webhook_deliveries w, jsonb_each(w.payload -> 'data') d
        where d.key in ('error', 'metadata', 'result') and d.value <> 'null'
        """)
      #expect(found == [told])
      #expect(try await engine.database.execute("select count(*) from agent_webhook_deliveries") == ["1"])
    }
  }

  @Test func `a receiver that is gone for good is told nothing more`() async throws {
    try await Engine.with { engine in
      let server = CannedServer([CannedServer.answer("410 Gone")])
      try await save(engine, server.url())
      try await stopped(engine)
      try await deliver(engine)
      #expect(try await engine.database.execute("select enabled from agent_webhooks") == ["f"])
    }
  }

  @Test(arguments: ["127.0.0.1", "localhost", "169.254.169.254"])
  func `nothing is delivered inside, whatever the name is`(_ host: String) async throws {
    try await Engine.with { engine in
      let server = CannedServer([CannedServer.answer("200 OK")])
      let webhook = try await save(engine, server.url("127.0.0.1")).id
      try await engine.database.execute("update agent_webhooks set url = '\(server.url(host))'")
      try await stopped(engine)
      try await deliver(engine, allowsPrivate: false)
      let told = try await deliveries(engine, of: webhook)
      #expect(told.first?["status"] == "pending" && told.first?["error"]?.string?.contains("address") == true)
      #expect(server.requests.withLock { $0 } == [])
    }
  }

  @Test(
    arguments: [
      ["url": "http://10.0.0.1/", "events": ["run.failed"]], ["url": "http://[::1]/", "events": ["run.failed"]],
      ["url": "ftp://a.example/", "events": ["run.failed"]],
      ["url": "http://u:p@a.example/", "events": ["run.failed"]],
      ["url": "https://a.example/", "events": []], ["url": "https://a.example/", "events": ["run.started"]],
      ["url": "https://a.example/", "events": ["run.failed", "run.failed"]], ["events": ["run.failed"]],
      ["url": "https://a.example/"],
    ] as [JSON])
  func `what can be no webhook is refused`(_ body: JSON) async throws {
    try await Engine.with { engine in
      await expectError(.requestInvalid) {
        _ = try await engine.registry.save(WebhookRequest(json: body, isNew: true), as: Engine.alice)
      }
    }
  }

  @Test func `there are ten of one user's at most, another's are not there, and a secret is shown once`() async throws {
    try await Engine.with { engine in
      let webhook = try await save(engine, "https://a.example/").id
      let seen = try await JSON(parsing: engine.registry.webhook(webhook, as: Engine.alice))
      #expect(seen["secret"] == nil && seen["url"] == "https://a.example/")
      await expectError(.webhookNotFound) { _ = try await engine.registry.webhook(webhook, as: Engine.bob) }
      await expectError(.webhookNotFound) { try await engine.registry.deleteWebhook(webhook, as: Engine.bob) }
      await expectError(.webhookNotFound) {
        _ = try await engine.registry.deliveries(of: webhook, ListQuery(), as: Engine.bob)
      }
      for _ in 1..<10 { try await save(engine, "https://a.example/") }
      await expectError(.requestQuota) { _ = try await save(engine, "https://a.example/") }
      try await engine.registry.deleteWebhook(webhook, as: Engine.alice)
      try await save(engine, "https://a.example/")
    }
  }

  @Test func `a run that waits is told with its reason`() async throws {
    try await Engine.with { engine in
      let webhook = try await save(engine, "https://a.example/", events: ["run.waiting"]).id
      let run = try await engine.runs.create(
        CreateRun(json: ["prompt": "x"]), idempotencyKey: nil, as: Engine.alice
      ).runID
      try await engine.withWorker {
        while try await deliveries(engine, of: webhook).isEmpty { await Task.yield() }
      }
      let told = try await deliveries(engine, of: webhook)
      #expect(told.first?["payload"]?["data"]?["reason"]?["code"] == "model.not_configured")
      #expect(told.first?["run_id"]?.string == run.uuidString.lowercased())
    }
  }
}
