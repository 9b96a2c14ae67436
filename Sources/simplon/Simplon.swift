import ArgumentParser
import CSandboxGuard
import Glibc
import SimplonCore

/// `simplon`: a self-hosted backend for AI agents on PostgreSQL, as one binary.
struct Simplon: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simplon", abstract: "A self-hosted backend for AI agents on Supabase and PostgreSQL.",
    version: Version.current,
    subcommands: [
      DevCommand.self, DemoCommand.self, ServeCommand.self, RunCommand.self, RunsCommand.self, WorkflowsCommand.self,
      SchedulesCommand.self, TokenCommand.self, StatusCommand.self, DoctorCommand.self, DBCommand.self,
    ])
}

@main
enum Main {
  /// Exit codes: 0 done, 1 the work failed, 2 wrong usage, 3 something could not be reached, 130 cut short by a signal,
  /// 141 (as from SIGPIPE) nobody reads the output any more.
  static func main() async {
    // The same binary is the guard of its sandboxes; nothing may run before it.
    if CommandLine.arguments.dropFirst().first == "__guard" { exit(simplon_guard_main()) }
    let code = await work()
    fflush(nil)
    // No exit handlers: they would take OpenSSL down under threads that may still talk to PostgreSQL.
    _exit(code)
  }

  private static func work() async -> Int32 {
    // Looked for among the words, as an error may come before they are understood.
    let asJSON = CommandLine.arguments.prefix { $0 != "--" }.contains("--json")
    do {
      var command = try Simplon.parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
      return 0
    } catch let error as SimplonError {
      Print.error(error, asJSON: asJSON)
      return code(of: error)
    } catch is CancellationError {
      return 130
    } catch let error as Print.Failure {
      return code(of: error, asJSON: asJSON)
    } catch {
      let code = Simplon.exitCode(for: error)
      guard code.isSuccess || error is ExitCode || code == .validationFailure else {
        Print.error(SimplonError(wrapping: error), asJSON: asJSON)
        return 1
      }
      let message = Simplon.fullMessage(for: error)
      if code == .validationFailure, asJSON {
        Print.error(SimplonError(.requestInvalid, Simplon.message(for: error), hint: "See --help."), asJSON: true)
      } else if !message.isEmpty {
        guard code.isSuccess else {
          Print.note(message)
          return code == .validationFailure ? 2 : code.rawValue
        }
        do { try Print.out(message) } catch { return Self.code(of: error, asJSON: asJSON) }
      }
      return code == .validationFailure ? 2 : code.rawValue
    }
  }

  private static func code(of failure: Print.Failure, asJSON: Bool) -> Int32 {
    guard case .system(let number) = failure else { return 128 + SIGPIPE }
    Print.error(
      SimplonError(
        number == ENOSPC ? .storageFull : .storageUnavailable,
        "the output cannot be written: \(String(cString: strerror(number)))"), asJSON: asJSON)
    return 1
  }

  private static func code(of error: SimplonError) -> Int32 {
    switch error.code {
    case .serverUnreachable, .databaseUnavailable, .databaseBusy, .authIssuerUnreachable: 3
    case .configInvalid, .configMissing: 2
    default: 1
    }
  }
}
