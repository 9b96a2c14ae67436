import ArgumentParser
import SimplonCore

/// `simplon doctor`: says what is wrong with an installation, and how to mend each thing.
struct DoctorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Say what is wrong with an installation, and how to mend it.",
    discussion: """
      It looks at what simplon serve would use, or, where no database is named, at the data folder of simplon dev, running \
      or not. It changes nothing. The exit code is 1 when there is a problem.
      """)

  @Option(name: .customLong("data"), help: ArgumentHelp("The data folder (SIMPLON_DATA).", valueName: "folder"))
  var folder: String?

  @Option(help: ArgumentHelp("A token to look at too.", valueName: "jwt"))
  var token: String?

  @Flag(help: "Print one line of JSON for each check.")
  var json = false

  func validate() throws {
    guard token.map({ !$0.isEmpty && !$0.contains(where: \.isWhitespace) }) ?? true else {
      throw ValidationError("--token must be a token, in one word")
    }
  }

  func run() async throws {
    var hasProblem = false
    func tell(_ finding: Finding) throws {
      hasProblem = hasProblem || finding.status == .problem
      try json ? Print.out(finding.json) : finding.show()
    }
    let installation: Installation
    do {
      installation = try await Installation(folder: folder)
    } catch {
      try tell(Finding(.configuration, error))
      let rest = Finding.Check.allCases.filter { $0 != .configuration }
      for finding in Finding.skipped(rest, "the configuration cannot be used") { try tell(finding) }
      throw ExitCode(1)
    }
    try await Diagnosis(installation).run(token: token, tell: tell)
    if hasProblem { throw ExitCode(1) }
  }
}
