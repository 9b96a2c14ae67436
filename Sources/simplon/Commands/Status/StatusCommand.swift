import ArgumentParser
import AsyncHTTPClient
import FoundationEssentials
import NIOCore
import NIOHTTP1
import SimplonCluster
import SimplonCore

/// `simplon status`: addresses and keys of the development stack, like `supabase status`.
struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show the addresses and keys of a development stack.")

  @Option(name: .customLong("data"), help: ArgumentHelp("The data folder.", valueName: "folder"))
  var folder = ".simplon"

  @Flag(help: "Print JSON.")
  var json = false

  func run() async throws {
    let path = URL(filePath: folder).path
    guard let state = try ClusterState.read(from: path), let url = state.notes["api_url"] else {
      throw SimplonError(
        .serverUnreachable, "no stack was ever started in \(folder)", hint: "Start one: simplon dev --data \(folder)")
    }
    let answer = try? await HTTPClient.shared.execute(HTTPClientRequest(url: "\(url)/health"), timeout: .seconds(2))
    guard answer?.status == .ok else {
      throw SimplonError(
        .serverUnreachable, "the stack in \(folder) is not running", hint: "Start it: simplon dev --data \(folder)")
    }
    let status = DevState.json(state, folder: path, databasePort: state.port ?? 0)
    json ? Print.out(status.text) : DevState.show(status)
  }
}
