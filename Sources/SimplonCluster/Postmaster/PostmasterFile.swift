#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What a PostgreSQL server writes about itself into `postmaster.pid` of its data folder.
///
/// - Source: PostgreSQL, src/include/utils/pidfile.h: process, data folder, start time, port, socket folder, address,
///   shared memory key, status; the status is padded with spaces.
struct PostmasterFile: Hashable, Sendable {
  let process: Int32
  let port: Int
  let socketFolder: String
  /// Whether it says that it takes connections; the file of a killed server goes on saying so.
  let isReady: Bool

  /// Reads the file of a data folder; nil when there is none, or when it is not complete yet.
  init?(dataFolder: String) {
    guard let data = try? Data(contentsOf: URL(filePath: "\(dataFolder)/postmaster.pid")) else { return nil }
    self.init(text: String(decoding: data, as: UTF8.self))
  }

  /// Reads the text of the file.
  init?(text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count >= 5, let process = Int32(lines[0]), process > 1, let port = Int(lines[3]) else { return nil }
    self.process = process
    self.port = port
    socketFolder = String(lines[4])
    isReady = lines.count >= 8 && lines[7].hasPrefix("ready")
  }
}
