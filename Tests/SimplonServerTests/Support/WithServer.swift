import FoundationEssentials
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import SimplonAgents
import SimplonCore
import SimplonIdentity
import SimplonPostgres
import TestSupport

@testable import SimplonServer

/// Gives the body a server on a database of its own, with two users and no worker.
///
/// `readiness` is what `/ready` is told; `live` sends requests through a socket, else they go to the router in memory.
func withServer(
  configure: (inout ServerConfiguration) -> Void = { _ in },
  readiness: Readiness = Readiness(ready: true, details: [:]), live: Bool = false,
  _ body: @escaping @Sendable (ServerUnderTest) async throws -> Void
) async throws {
  var configuration = ServerConfiguration(host: "127.0.0.1", port: 0, version: "1.2.3")
  configure(&configuration)
  let folder = "/tmp/simplon-server-test-\(UInt64.random(in: .min ... .max))"
  defer { try? FileManager.default.removeItem(atPath: folder) }
  try await withTestDatabase { database in
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let secret = "a secret of the tests alone, of 32 bytes"
    let project = "http://127.0.0.1:54321"
    let mint = try TokenMint(projectURL: project, secret: secret)
    let owner = UUID()
    let principal = Principal(role: .authenticated, subject: owner, source: .jwt)
    let callers = PostgresClient(configuration: PostgresConfiguration(dsn: database.api), logger: logger)
    let engine = PostgresClient(configuration: PostgresConfiguration(dsn: database.worker), logger: logger)
    let wakeUp = WakeUp(client: engine, listens: true, logger: logger)
    let streams = LogStreams(engine: engine, wakeUp: wakeUp, logger: logger)
    let blobs = try BlobStore(root: folder)
    let runs = Runs(
      callers: callers, engine: engine, statementTimeout: .seconds(10), tools: ToolBox.catalog, blobs: blobs,
      wakeUp: wakeUp)
    let authenticator = try Authenticator(
      issuers: [try .own(projectURL: project, secret: secret, logger: logger)], keys: try APIKeys())
    let make: @Sendable (ServerConfiguration) -> AgentServer = { configuration in
      AgentServer(
        configuration: configuration,
        door: AgentDoor(
          runs: runs, registry: Registry(callers: callers, statementTimeout: .seconds(10), runs: runs),
          streams: streams, authenticator: authenticator),
        readiness: { readiness }, metrics: PrometheusRegistry(), logger: logger)
    }
    let server = make(configuration)
    var application = server.application
    application.addServices(callers, engine, wakeUp, streams)
    try await application.test(live ? .live : .router) { client in
      try await body(
        ServerUnderTest(
          server: server, client: client, another: make,
          owner: mint.token(sub: owner, role: .authenticated, ttl: .seconds(3600)),
          stranger: mint.token(sub: UUID(), role: .authenticated, ttl: .seconds(3600)),
          service: mint.key(for: .serviceRole),
          expiring: { end in
            let left = end - Int(Date().timeIntervalSince1970)
            return mint.token(sub: owner, role: .authenticated, ttl: .seconds(left))
          },
          append: { run, events in try await database.append(events, to: run) },
          expire: { run, seq in
            try await database.execute(
              """
              set session_replication_role = replica;
              delete from public.agent_task_logs where run_id = '\(run.uuidString)' and seq < \(seq)
              """)
          },
          files: folder,
          store: { name, mime, bytes in
            let blob = try await blobs.put(bytes, for: owner)
            let run = try await runs.create(CreateRun(json: ["prompt": "x"]), idempotencyKey: nil, as: principal).runID
            let rows = try await database.execute(
              """
              insert into public.agent_artifacts (run_id, attempt, user_id, path, size, mime, sha256)
              values ('\(run.uuidString)', 1, '\(owner.uuidString)', '\(name)', \(bytes.count), '\(mime)', '\(blob.sha256)')
              returning id
              """)
            guard let id = rows.first.flatMap({ $0 }).flatMap({ UUID(uuidString: $0) }) else {
              throw ServerUnderTest.Failure(text: "no artifact")
            }
            return id
          }))
    }
  }
}

extension TestDatabase {
  /// Writes events as a worker would, but for the lease.
  fileprivate func append(_ events: [ServerUnderTest.Event], to run: UUID) async throws {
    let rows = events.map { "{\"kind\":\"\($0.kind)\",\"level\":\"\($0.level)\",\"payload\":\($0.payload)}" }
    let array = rows.joined(separator: ",").replacing("'", with: "''")
    let isDone = events.contains { $0.kind == "done" }
    try await execute(
      """
      begin;
      with state as (
        update simplon.run_state set next_seq = next_seq + \(events.count) where run_id = '\(run.uuidString)'
        returning next_seq - \(events.count) as base, user_id)
      insert into public.agent_task_logs (run_id, seq, user_id, kind, level, payload)
      select '\(run.uuidString)', s.base + e.place - 1, s.user_id, e.event ->> 'kind', e.event ->> 'level',
        e.event -> 'payload'
      from state s, jsonb_array_elements('[\(array)]') with ordinality as e (event, place);
      update public.agent_runs set status = 'completed', completed_at = now()
      where id = '\(run.uuidString)' and \(isDone);
      commit
      """)
  }
}
