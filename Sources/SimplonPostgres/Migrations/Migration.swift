import Crypto
import SimplonCore

/// One step of a schema's history: SQL text that brings a database to a version, and the text that takes it back.
///
/// The text is written for schema `public`, always as `public.`; applied to another schema, each `public.` is replaced.
package struct Migration: Hashable, Sendable {
  /// Where a migration comes from.
  package enum Origin: String, Sendable {
    /// The binary.
    case simplon
    /// A folder of the user's.
    case folder
  }

  /// When it was written, as 14 digits; migrations are applied in this order.
  package let version: String
  /// What it is about, in lower case with underscores.
  package let name: String
  /// The SQL text.
  package let sql: String
  /// The text that undoes it, or nil when there is none.
  package let undo: String?
  /// Where it comes from.
  package let origin: Origin

  /// Makes a migration.
  package init(version: String, name: String, sql: String, undo: String?, origin: Origin = .simplon) {
    self.version = version
    self.name = name
    self.sql = sql
    self.undo = undo
    self.origin = origin
  }

  /// The SHA-256 of the SQL text as hexadecimal digits.
  package var checksum: String { SHA256.hash(data: Array(sql.utf8)).hex }

  /// The text for a schema.
  ///
  /// - Parameters:
  ///   - sql: the text as it was written.
  ///   - schema: the name of a schema, of letters, digits and underscores.
  ///   - written: the schema that the text was written for.
  /// - Returns: the text with each full name moved to the schema.
  static func text(_ sql: String, for schema: String, insteadOf written: String = "public") -> String {
    guard schema != written else { return sql }
    var text = ""
    var rest = sql[...]
    while let found = rest.firstRange(of: "\(written).") {
      let before = rest[..<found.lowerBound]
      let isWord = before.last.map { $0.isLetter || $0.isNumber || $0 == "_" } ?? false
      text += before + (isWord ? rest[found] : "\(BootstrapSQL.identifier(schema)).")
      rest = rest[found.upperBound...]
    }
    return text + rest
  }
}
