import ArgumentParser
import Foundation
import SimplonCluster
import SimplonCore
import SimplonIdentity

/// Which server a command talks to, and as whom.
struct ServerOptions: ParsableArguments {
  /// The person that commands act for on a development stack.
  static let developer = "00000000-0000-4000-8000-000000000001"

  @Option(help: "The server (SIMPLON_URL, else the running `simplon dev`).")
  var url: String?

  @Option(help: "The token to send (SIMPLON_TOKEN, else one for the developer of `simplon dev`).")
  var token: String?

  @Option(help: ArgumentHelp("The data folder of `simplon dev` (SIMPLON_DATA).", valueName: "folder"))
  var data: String?

  @Flag(help: "Print JSON.")
  var json = false

  /// The server that was named, if any.
  var namedURL: String? { url ?? ProcessInfo.processInfo.environment["SIMPLON_URL"] }

  /// The server; the token is made from the data folder's secret when none was given.
  ///
  /// - Throws: `config.missing` when there is neither a token nor a data folder; `config.invalid` for an address or a
  ///   token that can be none.
  func client() async throws -> ServerClient {
    let folder = try await dataFolder(given: data)
    let state = try? ClusterState.read(from: folder)
    let url = namedURL ?? state?.notes["api_url"] ?? "http://127.0.0.1:54321"
    guard let token = try token ?? ProcessInfo.processInfo.environment["SIMPLON_TOKEN"] ?? developerToken(state) else {
      throw SimplonError(
        .configMissing, "there is no token, and no data folder of simplon dev at \"\(folder)\"",
        hint: "Give --token TOKEN or set SIMPLON_TOKEN; or start simplon dev here.")
    }
    let address = URL(string: url)
    guard let scheme = address?.scheme?.lowercased(), ["http", "https"].contains(scheme),
      address?.host()?.isEmpty == false
    else {
      throw SimplonError(
        .configInvalid, "\(url) is no address of a server", hint: "It looks like http://127.0.0.1:54321.")
    }
    guard token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw SimplonError(.configInvalid, "the token holds a space, a line break or another character that none has")
    }
    return ServerClient(url: url.hasSuffix("/") ? String(url.dropLast()) : url, token: token)
  }

  private func developerToken(_ state: ClusterState?) throws -> String? {
    guard let state else { return nil }
    return try TokenMint(projectURL: DevState.projectURL, secret: state.jwtSecret)
      .token(sub: UUID(uuidString: Self.developer), role: .authenticated, ttl: .seconds(3600))
  }
}
