import ArgumentParser
import SimplonCore
import SimplonIdentity
import SimplonPostgres

/// `simplon db push`.
struct DBPush: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "push", abstract: "Apply what is pending, oldest first, each in a transaction of its own.",
    discussion: """
      The first push also makes what is missing of roles and schema auth, and the logins simplon_api and simplon_worker. \
      Their passwords are printed once: keep them as SIMPLON_API_PASSWORD and SIMPLON_WORKER_PASSWORD.
      """)

  @Option(help: ArgumentHelp("Stop after this version.", valueName: "version"))
  var to: String?

  @Option(help: ArgumentHelp("Take everything up to this version as applied already.", valueName: "version"))
  var baseline: String?

  @OptionGroup var database: DatabaseOptions

  func run() async throws {
    let (made, applied) = try await database.withMigrator { migrator, client, reader in
      var generator = SystemRandomNumberGenerator()
      let passwords = [
        "simplon_api": reader.text(.apiPassword) ?? Secret.jwtSecret(using: &generator),
        "simplon_worker": reader.text(.workerPassword) ?? Secret.jwtSecret(using: &generator),
      ]
      let logins = try await Bootstrap(client: client).plain(
        api: passwords["simplon_api"] ?? "", worker: passwords["simplon_worker"] ?? "")
      // Printed before anything can fail: nobody else knows them.
      if !database.json {
        for login in logins {
          Print.out(
            "\(login == "simplon_api" ? Setting.apiPassword.name : Setting.workerPassword.name)=\(passwords[login] ?? "")"
          )
        }
      }
      let applied = try await migrator.push(to: to, baseline: baseline)
      return (logins.map { ($0, passwords[$0] ?? "") }, applied)
    }
    if database.json {
      return Print.out(
        JSON.object([
          "applied": .array(applied.map(JSON.string)),
          "logins": .object(Dictionary(made.map { ($0.0, JSON.string($0.1)) }, uniquingKeysWith: { one, _ in one })),
        ]).text)
    }
    for version in applied { Print.out("\(Print.mark("completed")) \(version)") }
    if applied.isEmpty { Print.out("nothing is pending") }
  }
}
