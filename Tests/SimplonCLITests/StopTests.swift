import Foundation
import Logging
import ServiceLifecycle
import SimplonCore
import Testing

@testable import simplon

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Signals, and what a command leaves behind.
@Suite(.serialized, .timeLimit(.minutes(3))) struct StopTests {
  private func withFolder(_ body: (String) async throws -> Void) async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "simplon-stop-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try await body(folder)
  }

  /// Whether something in a data folder has that name.
  private func holds(_ name: String, _ data: String) -> Bool {
    FileManager.default.enumerator(atPath: data)?.contains { ($0 as? String)?.hasSuffix("/" + name) == true } ?? false
  }

  @Test(arguments: ["PG_VERSION", "postmaster.pid"])
  func `a signal while dev starts stops it, and PostgreSQL with it`(_ moment: String) async throws {
    try await withFolder { folder in
      let data = "\(folder)/data"
      let end = try await Program(folder: folder).run("dev", "--data", data, "--port", "0", "--db-port", "0") { child in
        try await until { holds(moment, data) }
        child.signal(SIGTERM)
      }
      #expect(end.code == 130, "\(end.errors)")
      #expect(end.out == "")
      #expect(!holds("postmaster.pid", data))
    }
  }

  @Test func `dev stops on a signal and has nothing to complain about`() async throws {
    try await withFolder { folder in
      let data = "\(folder)/data"
      let end = try await Program(folder: folder, environment: ["SIMPLON_DATA": data, "SIMPLON_PORT": "0"]).run(
        "dev", "--db-port", "0", "--json"
      ) { child in
        let line = try await child.line()
        #expect(line["data"]?.string == data)
        child.signal(SIGINT)
      }
      #expect(end.code == 0)
      #expect(!holds("postmaster.pid", data))
      #expect(!end.errors.contains(#""level":"warning""#) && !end.errors.contains(#""level":"error""#), "\(end.errors)")
      #expect(!end.errors.contains("connection ended"), "\(end.errors)")
    }
  }

  @Test func `one signal ends the demo in the middle of its run`() async throws {
    try await withFolder { folder in
      try "steps: [{ id: long, tool: shell, with: { command: sleep 600 } }]".write(
        toFile: "\(folder)/plan.yaml", atomically: true, encoding: .utf8)
      let end = try await Program(folder: folder).run(
        "demo", "--example", folder, "--data", "\(folder)/data", "--json"
      ) { child in
        let line = try await child.line()
        #expect(line["run_id"] != nil)
        child.signal(SIGINT)
      }
      #expect(end.code == 130, "\(end.errors)")
      #expect(!holds("postmaster.pid", "\(folder)/data"))
    }
  }

  @Test func `the second signal cancels work that does not heed the first`() async throws {
    await #expect(throws: CancellationError.self) {
      try await stoppable(Logger(label: "test")) {
        kill(getpid(), SIGHUP)
        try await gracefulShutdown()
        kill(getpid(), SIGHUP)
        try await Task.sleep(for: .seconds(600))
      }
    }
  }

  @Test func `services that stand together are told to stop together`() async throws {
    let (told, tell) = AsyncStream.makeStream(of: Int.self)
    struct Waiting: Service {
      let number: Int
      let tell: AsyncStream<Int>.Continuation
      let last: AsyncStream<Void>

      func run() async throws {
        try await gracefulShutdown()
        tell.yield(number)
        for await _ in last {}
      }
    }
    let (last, end) = AsyncStream.makeStream(of: Void.self)
    let together = Together(services: [
      Waiting(number: 1, tell: tell, last: last), Waiting(number: 2, tell: tell, last: AsyncStream { $0.finish() }),
    ])
    let group = ServiceGroup(
      configuration: ServiceGroupConfiguration(services: [.init(service: together)], logger: Logger(label: "test")))
    await group.triggerGracefulShutdown()
    async let running: Void = group.run()
    var numbers = Set<Int>()
    for await number in told {
      numbers.insert(number)
      if numbers.count == 2 { break }
    }
    end.finish()
    try await running
    #expect(numbers == [1, 2])
  }

  @Test func `the process may have as many files open as the system lets it`() {
    var limit = rlimit()
    let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    getrlimit(kind, &limit)
    let most = min(limit.rlim_max, 1 << 20)
    limit.rlim_cur = min(512, limit.rlim_max)
    setrlimit(kind, &limit)
    #expect(raiseFileLimit() == Int(most))
    getrlimit(kind, &limit)
    #expect(limit.rlim_cur == most)
    // Two files for each connection, and as many again for the rest where there are few.
    #expect([256, 1024, 1 << 20].map(connectionLimit) == [64, 256, 520_192])
  }
}
