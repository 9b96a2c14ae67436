import ArgumentParser
import SimplonCore
import SimplonPostgres

/// `simplon db diff`.
struct DBDiff: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Show what makes one database's schema equal to another's; exit code 1 while they differ.",
    discussion: """
      Prints SQL, and does nothing unless told to --apply it: in one transaction, which is kept only when nothing \
      differs afterwards. A database is a connection string, dev or prod (as for --env), or here (as for the \
      other commands).

      Things that were renamed are not guessed: they are dropped and made. Not compared are \
      \(SchemaComparison.notCompared.joined(separator: "; ")). Without --schema these schemas are left out: \
      \(SchemaComparison.excluded.joined(separator: ", ")).
      """)

  @Argument(help: "The database that is as it should be; it is only read.")
  var from: String

  @Argument(help: "The database to change, as the owner of its tables.")
  var to: String

  @Option(help: ArgumentHelp("Compare this schema alone; may be given several times.", valueName: "name"))
  var schema: [String] = []

  @Flag(help: "Change the second database.")
  var apply = false

  @Flag(help: "Change it even where data is lost.")
  var allowLoss = false

  @Option(
    help: ArgumentHelp("Apply this plan and no other: the fingerprint that was shown.", valueName: "fingerprint"))
  var plan: String?

  @Flag(help: "Print JSON.")
  var json = false

  func run() async throws {
    if !apply, allowLoss || plan != nil { throw ValidationError("--allow-loss and --plan need --apply") }
    let wanted = try await DatabaseName.configuration(from)
    let changed = try await DatabaseName.configuration(to)
    let reader = try await SettingsReader()
    let logger = try makeLogger(reader, isQuiet: true)
    try await PostgresClient.withRunning(wanted, logger: logger) { source in
      try await PostgresClient.withRunning(changed, logger: logger) { target in
        try await compare(SchemaComparison(source: source, target: target, schemas: schema))
      }
    }
  }

  private func compare(_ comparison: SchemaComparison) async throws {
    let found = try await comparison.plan()
    if let plan, !found.isEmpty, plan != found.fingerprint {
      throw SimplonError(
        .schemaChanged, "the plan is \(found.fingerprint) by now; nothing was done",
        hint: "Look at the new plan: run it again without --apply.")
    }
    if !apply || found.isEmpty {
      try show(found, isApplied: false)
      guard found.isEmpty else { throw ExitCode(1) }
      return
    }
    try await comparison.apply(found, allowingLoss: allowLoss)
    try show(found, isApplied: true)
  }

  private func show(_ plan: SchemaPlan, isApplied: Bool) throws {
    if json { return try Print.out(plan.json(isApplied: isApplied)) }
    for note in plan.notes { Print.note("note: \(Print.clean(note))") }
    if plan.isEmpty { return try Print.out("\(Print.mark("completed")) nothing differs") }
    for statement in plan.statements {
      try Print.out("")
      try Print.out(Print.clean("-- \(statement.item)"))
      if let loses = statement.loses { try Print.out(Print.clean("-- LOSES DATA: \(loses)")) }
      if let lock = statement.lock { try Print.out(Print.clean("-- lock: \(lock)")) }
      if statement.isApart { try Print.out("-- committed by itself, before the rest") }
      let lines = statement.sql.split(separator: "\n", omittingEmptySubsequences: false)
      try Print.out(lines.map { Print.clean(String($0)) }.joined(separator: "\n") + ";")
    }
    try Print.out("")
    if isApplied {
      try Print.out("\(Print.mark("completed")) applied; compared again, and nothing differs")
    } else {
      try Print.out("-- plan \(plan.fingerprint)")
    }
  }
}

extension SchemaPlan {
  fileprivate func json(isApplied: Bool) -> JSON {
    [
      "equal": .bool(isEmpty || isApplied), "applied": .bool(isApplied), "plan": .string(fingerprint),
      "statements": .array(
        statements.map { statement in
          [
            "item": .string(statement.item), "sql": .string(statement.sql),
            "loses": statement.loses.map(JSON.string) ?? .null, "lock": statement.lock.map(JSON.string) ?? .null,
            "apart": .bool(statement.isApart),
          ]
        }),
      "notes": .array(notes.map(JSON.string)),
      "not_compared": .array(SchemaComparison.notCompared.map(JSON.string)),
    ]
  }
}
