import ArgumentParser
import SimplonCluster
import SimplonCore
import SimplonPostgres
import TestSupport
import Testing

@testable import simplon

/// `simplon db diff` in this process.
@Suite(.timeLimit(.minutes(2)))
struct DBDiffTests {
  @Test func `the difference is shown, refused, applied, and then it is none`() async throws {
    try await withTestDatabase(.bootstrapped) { source in
      try await withTestDatabase(.bootstrapped) { target in
        try await source.execute(
          "create type public.e as enum ('a', 'b'); create table public.t (e public.e default 'b');", as: .owner)
        try await target.execute(
          "create type public.e as enum ('a'); create table public.t (e public.e, old int);", as: .owner)
        let both = [source.owner, target.owner]
        for more in [[], ["--json"], ["--schema", "public"]] {
          await #expect(throws: ExitCode(1)) { try await diff(both + more) }
        }
        let refusals: [([String], SimplonError.Code)] = [
          (["--apply"], .schemaLoss), (["--apply", "--allow-loss", "--plan", "0"], .schemaChanged),
          (["--schema", "nowhere"], .requestInvalid),
        ]
        for (more, code) in refusals {
          let error = await #expect(throws: SimplonError.self) { try await diff(both + more) }
          #expect(error?.code == code)
        }
        #expect(try await target.execute("select count(old) from public.t") == ["0"], "nothing was done")
        try await diff(both + ["--apply", "--allow-loss"])
        for more in [[], ["--json"], ["--apply", "--plan", "0"]] { try await diff(both + more) }
        #expect(try await target.execute("insert into public.t default values returning e") == ["b"])
      }
    }
  }

  @Test(arguments: [["--allow-loss"], ["--plan", "0"]])
  func `what only an apply can heed is wrong usage without one`(more: [String]) async throws {
    await #expect(throws: ValidationError.self) { try await diff(["dbname=a", "dbname=b"] + more) }
  }

  @Test func `a database is a connection string or one of the names`() async throws {
    await #expect(throws: ValidationError.self) { _ = try await DatabaseName.configuration("nobody") }
    let configuration = try await DatabaseName.configuration("host=somewhere dbname=it")
    #expect(configuration.dsn == "host=somewhere dbname=it" && configuration.pooler)
  }

  private func diff(_ arguments: [String]) async throws {
    let command = try DBDiff.parse(arguments)
    try await command.run()
  }
}
