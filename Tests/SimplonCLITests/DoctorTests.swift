import ArgumentParser
import Foundation
import SimplonCore
import Testing

@testable import SimplonAgents
@testable import simplon

/// What each check makes of what it was told; how they are told it, `Tests/Peers/test_doctor.py` shows.
@Suite struct DoctorTests {
  @Test func `a finding is an object, with a code only where there is one`() {
    let good = Finding(.version, .ok, "PostgreSQL 15.8")
    #expect(good.json == ["check": "version", "status": "ok", "message": "PostgreSQL 15.8", "hint": nil])
    let error = SimplonError(.databaseRole, "it is the superuser", hint: "Take another.")
    #expect(
      Finding(.login, error).json == [
        "check": "login", "status": "problem", "code": "database.role", "message": "it is the superuser",
        "hint": "Take another.",
      ])
  }

  @Test(arguments: [(150_000, true), (180_001, true), (149_999, false), (0, false)])
  func `a server is new enough from 15 on`(_ number: Int, _ isGood: Bool) {
    let found = Diagnosis.version(number)
    #expect(found.status == (isGood ? .ok : .problem) && found.code == (isGood ? nil : .databaseVersion))
  }

  @Test(
    arguments: [
      (0, "behind"), (94.9, "behind"), (95.1, nil), (105.9, nil), (106.1, "ahead"), (1e300, "ahead"),
    ] as [(Double, String?)])
  func `clocks may be five seconds apart, and what the question took`(_ theirs: Double, _ what: String?) {
    let found = Diagnosis.clock(theirs: theirs, before: 100, after: 101)
    #expect(found.status == (what == nil ? .ok : .warning))
    if let what { #expect(found.message.contains(what) && found.code == .databaseClock) }
  }

  @Test(
    arguments: [
      (false, 1 << 30, .ok), (false, 1 << 30 + 1, .problem), (true, 1 << 30 + 1, .warning), (false, .max, .problem),
      (true, .min, .ok),
    ] as [(Bool, Int64, Finding.Status)])
  func `a slot may hold a gigabyte`(_ isActive: Bool, _ held: Int64, _ status: Finding.Status) {
    let found = Diagnosis.slot("mirror", isActive: isActive, held: held)
    #expect(found.status == status)
    #expect((found.hint?.contains("pg_drop_replication_slot('mirror')") ?? false) == (status == .problem))
  }

  @Test(arguments: [("599.5", .ok), ("601", .warning), ("9e99", .warning)] as [(String, Finding.Status)])
  func `a transaction may be ten minutes old`(_ seconds: String, _ status: Finding.Status) {
    #expect(Diagnosis.transactions(["oldest_transaction_seconds": .number(seconds)]).status == status)
  }

  @Test func `a transaction that nobody may see is not claimed to be none`() {
    let found = Diagnosis.transactions(["oldest_transaction_seconds": nil])
    #expect(found.status == .ok && found.message.contains("may see"))
  }

  @Test func `tables that are closed, and events without a place, are named`() {
    let good: [String: JSON] = [
      "database": "ok", "tables_accessible": ["agent_runs": true, "agent_steps": true], "events_have_a_place": true,
      "workers": 1,
    ]
    #expect(Diagnosis.tables(.object(good)) == Finding(.tables, .ok, "all can be read; 1 worker is alive"))
    func found(_ name: String, _ value: JSON) -> Finding {
      Diagnosis.tables(.object(good.merging([name: value]) { _, new in new }))
    }
    let closed = found("tables_accessible", ["agent_runs": false, "agent_steps": true])
    #expect(closed.code == .databaseSchema && closed.message.hasSuffix("agent_runs"))
    #expect(found("events_have_a_place", false).hint?.contains("make_month_partitions('agent_task_logs')") == true)
    #expect(found("database", "database.timeout").code == .databaseTimeout)
    #expect(found("database", "something.else").status == .problem)
  }

  @Test(
    arguments: [
      (Diagnosis.Ways(), .ok, nil),
      (Diagnosis.Ways(sharesSessions: true), .problem, .configInvalid),
      (Diagnosis.Ways(hasPoolerPort: true, isDirectSet: true), .problem, .configInvalid),
      (Diagnosis.Ways(isToldPooled: true, sharesSessions: true), .warning, .configMissing),
      (Diagnosis.Ways(isToldPooled: true, isDirectSet: true), .ok, nil),
      (Diagnosis.Ways(isToldPooled: true, isDirectSet: true, isDirectPooled: true), .problem, .configInvalid),
    ] as [(Diagnosis.Ways, Finding.Status, SimplonError.Code?)])
  func `a pooler must be told, and have a direct way beside it`(
    _ ways: Diagnosis.Ways, _ status: Finding.Status, _ code: SimplonError.Code?
  ) {
    let found = Diagnosis.pooler(ways)
    #expect(found.status == status && found.code == code)
  }

  @Test(arguments: [
    ("postgresql://u:p@h:6543/db", true), ("postgres://u:p@h:5432,g:6543/db?user=a", true),
    ("postgresql://h/db?port=6543&user=a", true), ("host='h' port='6543' user='a'", true), ("port=6543 host=h", true),
    ("postgresql://u:6543@h:5432/db", false), ("postgresql://u:p@h:5432/6543", false),
    ("postgresql://h:65432/db?user=a", false), ("host=h port=5432 password=6543", false), ("", false),
  ])
  func `the port is found in both forms of an address`(_ dsn: String, _ isThere: Bool) {
    #expect(DatabaseAddress(dsn: dsn).has(port: 6543) == isThere)
  }

  @Test(
    arguments: [(99_999_999, .problem), (100_000_000, .warning), (1_000_000_000, .ok), (1e300, .ok)]
      as [(Double, Finding.Status)])
  func `room for a gigabyte is enough`(_ free: Double, _ status: Finding.Status) {
    #expect(Diagnosis.disk("/data", free: free).status == status)
  }

  @Test(
    arguments: [
      (.cgroup2, nil, .ok, nil), (.rlimits, "no control group can be made here", .ok, nil),
      (.unsandboxed, "bubblewrap (/usr/bin/bwrap) is not installed", .warning, "apt-get install bubblewrap"),
      (.none, "bubblewrap (/usr/bin/bwrap) is not installed", .problem, "apt-get install bubblewrap"),
      (.none, "the trial run failed: the sandbox could not be made", .problem, "unprivileged_userns_clone"),
      (.none, "could not make the folder for running steps: Permission denied", .problem, "SIMPLON_DATA"),
    ] as [(SandboxLevel.Kind, String?, Finding.Status, String?)])
  func `a sandbox that is missing is told with its reason and its remedy`(
    _ kind: SandboxLevel.Kind, _ reason: String?, _ status: Finding.Status, _ remedy: String?
  ) {
    let found = Diagnosis.sandbox(SandboxLevel(kind: kind, reason: reason))
    #expect(found.status == status && found.code == (status == .ok ? nil : SimplonError.Code.toolUnavailable))
    if let reason { #expect(found.message.contains(reason)) }
    if let remedy { #expect(found.hint?.contains(remedy) == true) } else { #expect(found.hint == nil) }
  }

  @Test(
    arguments: [
      (#"connection to server at "h", port 1 failed: FATAL:  password authentication failed for user "x""#, .password),
      ("connection to server at \"h\" failed: fe_sendauth: no password supplied", .password),
      ("FATAL:  no pg_hba.conf entry for host \"::1\", user \"x\", database \"d\", no encryption", .access),
      ("FATAL:  database \"d\" does not exist", .missing),
      ("root certificate file \"/r/root.crt\" does not exist", .encryption),
      ("server does not support SSL, but SSL was required", .encryption),
      ("FATAL:  sorry, too many clients already", .full), ("FATAL:  the database system is starting up", .starting),
      ("could not translate host name \"ssl.example\" to address: Name or service not known", .host),
      ("connection to server at \"h\", port 1 failed: Connection refused", .refused),
      ("connection to server on socket \"/s\" failed: No such file or directory", .refused),
      ("connection to server at \"h\", port 1 failed: timeout expired", .silent), ("", .silent),
      ("missing \"=\" after \"secret\" in connection info string", .address),
      ("FATAL:  unsupported startup parameter: options", .options), ("something new", .unknown),
    ] as [(String, ConnectionTrouble)])
  func `libpq's words are sorted and never shown`(_ words: String, _ trouble: ConnectionTrouble) throws {
    struct Words: Error, CustomDebugStringConvertible { let debugDescription: String }
    let beneath = SimplonError(.databaseUnavailable, "no", cause: Words(debugDescription: words))
    let found = try #require(ConnectionTrouble(SimplonError(.databaseUnavailable, "no", cause: beneath)))
    #expect(found == trouble)
    let told = found.finding(.database, login: "simplon_api")
    #expect(told.status == .problem && told.hint?.isEmpty == false && told.code != nil)
    if !words.isEmpty { #expect(!told.message.contains(words)) }
  }

  @Test func `an error of a connection that was there is not about connecting`() {
    #expect(ConnectionTrouble(SimplonError(.databaseQuery, "no")) == nil)
    #expect(ConnectionTrouble(SimplonError(.databaseUnavailable, "no", details: ["sqlstate": "57P01"])) == nil)
  }

  @Test(arguments: [["doctor", "--token", ""], ["doctor", "--token", "a b"], ["doctor", "more"]])
  func `wrong words are refused with the usage`(arguments: [String]) {
    #expect(throws: (any Error).self) { try Simplon.parseAsRoot(arguments) }
  }
}
