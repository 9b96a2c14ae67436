import Logging
import SimplonCore
import TestSupport
import Testing

@testable import SimplonCluster

@Suite(.timeLimit(.minutes(2))) struct StoredClusterTests {
  @Test func `a folder is looked at without a trace, whether its server runs or not`() async throws {
    try await withTestFolder { folder in
      #expect(try StoredCluster(in: folder) == nil)
      let cluster = try await Cluster.start(.test(folder), logger: .quiet)
      let running = try #require(try StoredCluster(in: folder))
      #expect(running.isRunning && running.version == cluster.version)
      let dsn = try #require(running.dsn(.admin))
      #expect(dsn == cluster.dsn(.admin))
      let answer = try await executeSQL("select session_user", dsn: dsn)
      #expect(answer == ["supabase_admin"])
      try await cluster.stop()
      let stopped = try #require(try StoredCluster(in: folder))
      #expect(!stopped.isRunning && stopped.dsn(.admin) == nil && stopped.version == cluster.version)
      #expect(try await stopped.programs().version == cluster.version)
    }
  }
}
