import Crypto
import SimplonCore

/// What has to be done to make a database's schemas equal to another one's, in an order that works.
package struct SchemaPlan: Sendable {
  /// The steps; those that are committed by themselves come first.
  package var statements: [SchemaStatement]
  /// What whoever reads the plan should know.
  package var notes: [String]

  /// Whether nothing differs.
  package var isEmpty: Bool { statements.isEmpty }

  /// The steps that lose data, or that the data may stop.
  package var losses: [SchemaStatement] { statements.filter { $0.loses != nil } }

  /// Names the plan: the same steps in the same order have the same fingerprint, 64 hex digits.
  package var fingerprint: String { Self.fingerprint(of: statements) }

  static func fingerprint(of statements: [SchemaStatement]) -> String {
    SHA256.hash(data: Array(JSON.array(statements.map { .string($0.sql) }).text.utf8)).hex
  }
}
