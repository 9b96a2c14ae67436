/// Where a token says that it comes from.
package struct TokenOrigin: Hashable, Sendable {
  /// Its `iss`.
  package let issuer: String?
  /// Its `ref`, by which the legacy keys of a hosted project name the project.
  package let project: String?
  /// Whether one who is trusted here has signed it; else the two above are a stranger's words.
  package let isTrusted: Bool
}
