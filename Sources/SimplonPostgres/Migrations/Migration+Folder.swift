package import SimplonCore

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

extension Migration {
  /// Reads the migrations of a folder: `<version>_name.sql`, their undo as `<version>_name.undo.sql` in the folder `undo`
  /// beside it.
  ///
  /// - Throws: `migration.missing` when a file cannot be read.
  package static func read(folder: String) throws(SimplonError) -> [Migration] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder).sorted().compactMap { file in
        guard file.hasSuffix(".sql"), let underscore = file.firstIndex(of: "_"), underscore > file.startIndex,
          file[..<underscore].allSatisfy({ $0.isASCII && $0.isNumber })
        else { return nil }
        let name = String(file[file.index(after: underscore)...].dropLast(4))
        let undo = "\(undoFolder(of: folder))/\(file.dropLast(4)).undo.sql"
        return Migration(
          version: String(file[..<underscore]), name: name, sql: try text(of: "\(folder)/\(file)"),
          undo: FileManager.default.fileExists(atPath: undo) ? try text(of: undo) : nil, origin: .folder)
      }
    } catch let error as SimplonError {
      throw error
    } catch {
      throw SimplonError(
        .migrationMissing, "the folder \(folder) cannot be read", hint: "simplon db new NAME makes it.", cause: error)
    }
  }

  /// Writes an empty migration and its empty undo.
  ///
  /// - Parameters:
  ///   - name: what it is about; made into lower case with underscores.
  ///   - folder: the folder of migrations, made when it is not there.
  ///   - time: now, in seconds since 1970.
  /// - Returns: the paths of the two files.
  /// - Throws: `request.invalid` when the name has no letter or digit, `migration.failed` when a file cannot be written.
  package static func new(_ name: String, folder: String, time: Int) throws(SimplonError) -> (sql: String, undo: String)
  {
    let words = name.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }
    guard !words.isEmpty else { throw SimplonError(.requestInvalid, "the name needs a letter or a digit") }
    let stem = "\(version(at: time))_\(words.joined(separator: "_"))"
    let paths = (sql: "\(folder)/\(stem).sql", undo: "\(undoFolder(of: folder))/\(stem).undo.sql")
    do {
      for (path, text) in [
        (paths.sql, "-- What it changes and why. Write names in full, such as public.tasks.\n"),
        (paths.undo, "-- Takes \(stem).sql back.\n"),
      ] {
        let parent = path[..<(path.lastIndex(of: "/") ?? path.startIndex)]
        try FileManager.default.createDirectory(atPath: String(parent), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(filePath: path), options: .withoutOverwriting)
      }
    } catch {
      throw SimplonError(.migrationFailed, "the files \(paths.sql) and \(paths.undo) cannot be written", cause: error)
    }
    return paths
  }

  private static func undoFolder(of folder: String) -> String {
    let trimmed = folder.hasSuffix("/") ? String(folder.dropLast()) : folder
    guard let slash = trimmed.lastIndex(of: "/") else { return "undo" }
    return trimmed[..<slash] + "/undo"
  }

  private static func text(of path: String) throws -> String {
    guard let text = String(validating: try Data(contentsOf: URL(filePath: path)), as: UTF8.self) else {
      throw SimplonError(.migrationMissing, "\(path) is not UTF-8")
    }
    return text
  }

  /// A moment in UTC as 14 digits, as the supabase CLI writes it.
  static func version(at time: Int) -> String {
    Date(timeIntervalSince1970: Double(time)).formatted(.iso8601).filter(\.isNumber)
  }
}
