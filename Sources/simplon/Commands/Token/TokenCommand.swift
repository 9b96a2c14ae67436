import ArgumentParser
import Foundation
import SimplonCluster
import SimplonCore
import SimplonIdentity

/// `simplon token`: a token for development, and nothing else on the output.
struct TokenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token", abstract: "Print a token for development.",
    discussion: """
      It is signed with the secret of the data folder; where there is none, with SUPABASE_JWT_SECRET, for SUPABASE_URL.
      """)

  @Option(help: ArgumentHelp("The person's id, a UUID.", valueName: "uuid"))
  var sub: String

  @Option(help: ArgumentHelp("authenticated, anon or service_role.", valueName: "name"))
  var role = "authenticated"

  @Option(help: ArgumentHelp("How long it is good, such as 1h.", valueName: "time"))
  var ttl = "1h"

  @Option(name: .customLong("data"), help: ArgumentHelp("The data folder (SIMPLON_DATA).", valueName: "folder"))
  var folder: String?

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws { _ = try person() }

  func run() async throws {
    let (sub, role, ttl) = try person()
    let mint: TokenMint
    if let state = try ClusterState.read(from: try await dataFolder(given: folder)) {
      mint = try TokenMint(projectURL: DevState.projectURL, secret: state.jwtSecret)
    } else {
      let reader = try await SettingsReader()
      mint = try TokenMint(
        projectURL: reader.required(.url, "Start simplon dev here once, or set SUPABASE_URL."),
        secret: reader.required(.jwtSecret, "Start simplon dev here once, or set SUPABASE_JWT_SECRET."))
    }
    let token = mint.token(sub: sub, role: role, ttl: ttl)
    try json ? Print.out(["token": .string(token)]) : Print.out(token)
  }

  private func person() throws(ValidationError) -> (UUID, Principal.Role, Duration) {
    guard let sub = UUID(uuidString: sub) else { throw ValidationError("--sub must be a UUID") }
    guard let role = Principal.Role(rawValue: role) else {
      throw ValidationError("--role must be authenticated, anon or service_role")
    }
    guard let ttl = Duration(parsing: ttl), ttl >= .seconds(1) else {
      throw ValidationError("--ttl must be a time such as 1h")
    }
    return (sub, role, ttl)
  }
}
