import SimplonCore
import Subprocess

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// One installation of PostgreSQL's server programs, proved to be version 15 or newer.
package struct ServerPrograms: Hashable, Sendable {
  /// The folder that holds `postgres` and `initdb`.
  package let folder: String
  /// The major version, such as 15.
  package let version: Int

  /// The oldest version that Simplon works with.
  package static let oldest = 15

  /// Where to look, apart from a folder that the user names.
  package struct Places: Hashable, Sendable {
    /// Folders whose name may hold one `*` for a version, asked in this order, the newest version first.
    package var patterns: [String]
    /// Folders as in `PATH`.
    package var path: [String]

    /// Makes a list of places.
    package init(patterns: [String], path: [String]) {
      self.patterns = patterns
      self.path = path
    }

    /// Where Debian, PostgreSQL's own packages and Homebrew put the programs, then `PATH`.
    package static var usual: Places {
      Places(
        patterns: [
          "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin",
          "/usr/local/opt/postgresql@*/bin",
        ],
        path: (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init))
    }
  }

  /// Finds the newest installation for a new cluster, or the one that fits a cluster which is there already.
  ///
  /// - Parameters:
  ///   - named: a folder of the user's choice; then no other is tried.
  ///   - version: the major version that made the cluster, or nil for a new cluster.
  ///   - places: where to look.
  /// - Returns: the installation.
  /// - Throws: `dev.postgres_missing`, with the commands that install it.
  package static func find(named: String?, version: Int?, in places: Places = .usual) async throws -> ServerPrograms {
    if let named {
      guard let programs = await ServerPrograms(at: named), programs.fits(version) else {
        throw missing(version, "in the folder \(named)")
      }
      return programs
    }
    for pattern in places.patterns {
      for folder in expand(pattern) {
        if let programs = await ServerPrograms(at: folder), programs.fits(version) { return programs }
      }
    }
    for folder in places.path {
      if let programs = await ServerPrograms(at: folder), programs.fits(version) { return programs }
    }
    throw missing(version, "on this machine")
  }

  /// Looks at one folder; nil when it lacks a program or the program does not say its version.
  init?(at folder: String) async {
    guard Self.isThere(folder) else { return nil }
    let run = try? await Subprocess.run(
      .name("postgres"), arguments: ["--version"], environment: .custom(["PATH": folder]), output: .string(limit: 1000))
    // "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)"
    guard let words = run?.standardOutput.split(separator: " "), words.count >= 3,
      let version = Int(words[2].prefix { $0.isASCII && $0.isNumber })
    else { return nil }
    self.folder = folder
    self.version = version
  }

  /// Whether a folder holds the programs.
  static func isThere(_ folder: String) -> Bool {
    ["postgres", "initdb"].allSatisfy { FileManager.default.isExecutableFile(atPath: "\(folder)/\($0)") }
  }

  private func fits(_ wanted: Int?) -> Bool { wanted.map { $0 == version } ?? (version >= Self.oldest) }

  /// The folders that a pattern with one `*` names, the highest number first.
  private static func expand(_ pattern: String) -> [String] {
    guard let star = pattern.firstIndex(of: "*"), let slash = pattern[..<star].lastIndex(of: "/") else {
      return [pattern]
    }
    let parent = String(pattern[..<slash])
    let prefix = pattern[pattern.index(after: slash)..<star]
    let suffix = pattern[pattern.index(after: star)...]
    let names = (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
    return names.filter { $0.hasPrefix(prefix) }
      .compactMap { name in Int(name.dropFirst(prefix.count)).map { (name: name, version: $0) } }
      .sorted { $0.version > $1.version }
      .map { "\(parent)/\($0.name)\(suffix)" }
  }

  private static func missing(_ version: Int?, _ place: String) -> SimplonError {
    let wanted = version.map { "PostgreSQL \($0), which made this data folder," } ?? "PostgreSQL \(oldest) or newer"
    let package = version.map(String.init) ?? "17"
    return SimplonError(
      .devPostgresMissing, "\(wanted) was not found \(place)",
      hint: """
        Debian, Ubuntu: sudo apt-get install postgresql\(version.map { "-\($0)" } ?? "")
        Fedora: sudo dnf install postgresql-server
        macOS: brew install postgresql@\(package)
        Or name the folder of initdb and postgres with --postgres-bin DIR.
        """)
  }
}
