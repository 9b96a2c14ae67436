import Foundation
import Logging
import SimplonAgents
import SimplonCluster
import SimplonCore
import SimplonPostgres
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(3))) struct PlainPostgresTests {
  /// The programs of PostgreSQL 18, where the environment names them.
  static let newest = ProcessInfo.processInfo.environment["SIMPLON_POSTGRES_18_BIN"]
  /// Folders of server programs; nil stands for the machine's own.
  static let programs: [String?] = newest.map { [nil, $0] } ?? [nil]

  @Test(arguments: programs)
  func `a plain PostgreSQL gets its roles and logins once and then the migrations`(programs: String?) async throws {
    try await withTestFolder { folder in
      var options = ClusterOptions.test(folder)
      options.programs = programs
      try await Cluster.with(options, logger: .quiet) { cluster in
        let dsn = cluster.dsn(.admin)
        try await withClient(dsn) { client in
          let made = try await Bootstrap(client: client).plain(api: "api'\\secret", worker: "worker-secret")
          #expect(made == ["simplon_api", "simplon_worker"])
          let again = try await Bootstrap(client: client).plain(api: "other", worker: "other")
          #expect(again == [])
        }
        try await withMigrator(AgentSchema.migrations, dsn: dsn) { migrator in
          try await migrator.push()
          try await migrator.verify()
        }
        let api =
          "host='\(cluster.socketFolder)' port=\(cluster.port) dbname=postgres user=simplon_api password='api\\'\\\\secret'"
        let person = "aaaaaaaa-0000-4000-8000-000000000001"
        let seen = try await executeSQL(
          """
          set role authenticated; set request.jwt.claims = '{"sub": "\(person)", "role": "authenticated"}';
          select auth.uid()
          """, dsn: api)
        #expect(seen == [person])
        try await withClient(api) { try await refuseUnsafeLogin(client: $0) }
      }
    }
  }

  @Test(.enabled(if: newest != nil, "SIMPLON_POSTGRES_18_BIN names no PostgreSQL 18"))
  func `a Supabase project on PostgreSQL 18 takes all migrations and gives them back`() async throws {
    try await withTestFolder { folder in
      var options = ClusterOptions.test(folder)
      options.programs = Self.newest
      try await Cluster.with(options, logger: .quiet) { cluster in
        #expect(cluster.version == 18)
        let passwords = cluster.state.passwords
        try await withClient(cluster.dsn(.admin)) { client in
          try await Bootstrap(client: client).privateCluster(
            owner: passwords[.owner] ?? "", api: passwords[.api] ?? "", worker: passwords[.worker] ?? "")
        }
        try await withMigrator(AgentSchema.migrations, dsn: cluster.dsn(.owner)) { migrator in
          try await migrator.push()
          try await migrator.verify()
          _ = try await migrator.rollback(to: "0")
          try await migrator.push()
        }
      }
    }
  }
}
